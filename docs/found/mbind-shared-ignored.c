// Expected: mbind that succeeds sets the policy of the memory.
// Linux 7.3.4: it does nothing to shared memory if it repeats the last policy that was set through
// the same mapping, although another policy was set through a second mapping since. Needs two
// nodes. cc -static
#define _GNU_SOURCE
#include <linux/mempolicy.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static void bind_to(char *page, int node)
{
	if (syscall(SYS_mbind, page, 4096, MPOL_BIND, &(unsigned long){ 1 << node }, 64L, 0))
		perror("mbind"), _exit(2);
}

int main(void)
{
	int file = memfd_create("file", 0), node = -1;
	unsigned long nodes = 0;
	char *one = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	char *other = mmap(0, 4096, PROT_READ, MAP_SHARED, file, 0);

	ftruncate(file, 4096);
	bind_to(one, 0);
	bind_to(other, 1);
	bind_to(one, 0);
	*one = 1;
	if (syscall(SYS_get_mempolicy, &node, 0, 0L, one, MPOL_F_NODE | MPOL_F_ADDR))
		perror("get_mempolicy"), _exit(2);
	syscall(SYS_get_mempolicy, 0, &nodes, 64L, one, MPOL_F_ADDR);
	if (node) {
		printf("BROKEN: the last mbind bound shared memory to node 0, but its policy is node %d, and so is its new page\n", nodes == 2);
		return 1;
	}
	printf("ok\n");
}
