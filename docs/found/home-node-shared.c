// Expected: set_mempolicy_home_node changes the home node of a policy, and nothing else.
// Linux 7.3.4: for shared memory, it also brings back the nodes that mbind last set through the
// same mapping, in place of those that another mapping has set since. Needs two nodes. cc -static
#define _GNU_SOURCE
#include <linux/mempolicy.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static void bind_to(char *page, unsigned long nodes)
{
	if (syscall(SYS_mbind, page, 4096, MPOL_BIND, &nodes, 64L, 0))
		perror("mbind"), _exit(2);
}

static unsigned long bound_to(char *page)
{
	unsigned long nodes = 0;

	if (syscall(SYS_get_mempolicy, 0, &nodes, 64L, page, MPOL_F_ADDR))
		perror("get_mempolicy"), _exit(2);
	return nodes;
}

int main(void)
{
	int file = memfd_create("file", 0), node = -1;
	char *one = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	char *other = mmap(0, 4096, PROT_READ, MAP_SHARED, file, 0);
	unsigned long before, after;

	ftruncate(file, 4096);
	bind_to(one, 1);
	bind_to(other, 2);
	before = bound_to(one);
	if (syscall(SYS_set_mempolicy_home_node, one, 4096L, 0L, 0L))
		perror("set_mempolicy_home_node"), _exit(2);
	after = bound_to(one);
	*one = 1;
	syscall(SYS_get_mempolicy, &node, 0, 0L, one, MPOL_F_NODE | MPOL_F_ADDR);
	if (before == 2 && after == 1) {
		printf("BROKEN: memory is bound to node 1; set_mempolicy_home_node binds it to node 0, and a new page is on node %d\n", node);
		return 1;
	}
	printf("ok\n");
}
