// Expected: mbind with MPOL_MF_STRICT fails with EIO only if a page is not where the policy has it.
// Linux 7.3.4: it compares with the numbers that the caller gave, not with the nodes of the policy,
// so it fails for MPOL_F_RELATIVE_NODES and MPOL_LOCAL. Needs CONFIG_NUMA. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static int node_of(char *page)
{
	int node = -1;

	syscall(SYS_get_mempolicy, &node, 0, 0L, page, MPOL_F_NODE | MPOL_F_ADDR);
	return node;
}

// Sets the policy of two pages, the first of which exists, with MPOL_MF_STRICT. Returns whether the
// call fails with EIO although the second page, which the policy places, is on the same node as the
// first.
static int wrong(int policy, unsigned long nodes)
{
	char *pages = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int error;

	if (syscall(SYS_mbind, pages, 8192, MPOL_BIND, &(unsigned long){ 1 }, 64L, 0))
		perror("mbind"), _exit(2);
	*pages = 1;
	error = syscall(SYS_mbind, pages, 8192, policy, &nodes, 64L, MPOL_MF_STRICT) ? errno : 0;
	if (syscall(SYS_mbind, pages, 8192, policy, &nodes, 64L, 0))
		perror("mbind without MPOL_MF_STRICT"), _exit(2);
	pages[4096] = 1;
	return error == EIO && node_of(pages) == node_of(pages + 4096);
}

int main(void)
{
	int absolute = wrong(MPOL_BIND, 1), relative = wrong(MPOL_BIND | MPOL_F_RELATIVE_NODES, 4), local = wrong(MPOL_LOCAL, 0);

	if (!absolute && (relative || local)) {
		printf("BROKEN: mbind with MPOL_MF_STRICT fails with EIO for%s%s, but the page is on the node of the policy\n", relative ? " a relative node" : "", relative && local ? " and for MPOL_LOCAL" : local ? " MPOL_LOCAL" : "");
		return 1;
	}
	printf("ok\n");
}
