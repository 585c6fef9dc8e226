// Expected: mbind uses the bits of the node mask only up to maxnode.
// Linux 7.3.4: if maxnode is above the kernel's own maximum, mbind fails with EINVAL because of a
// bit after maxnode, in the same word. If maxnode is small, mbind ignores such a bit. Needs
// CONFIG_NUMA. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

// Binds a page to node 0, with a mask in which all bits from number "clear" on are set.
static int mbind_error(int clear, long maxnode)
{
	unsigned long mask[18] = { 1 };
	char *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (int bit = clear; bit < 18 * 64; bit++)
		mask[bit / 64] |= 1UL << bit % 64;
	return syscall(SYS_mbind, page, 4096, MPOL_BIND, mask, maxnode, 0) ? errno : 0;
}

int main(void)
{
	int large_clean = mbind_error(18 * 64, 1101), small = mbind_error(50, 50), large = mbind_error(1101, 1101);

	if (large_clean || small)
		fprintf(stderr, "mbind: %s\n", strerror(large_clean ? large_clean : small)), _exit(2);
	if (large) {
		printf("BROKEN: mbind fails (%s) because of bits after maxnode 1101, but ignores bits after maxnode 50\n", strerror(large));
		return 1;
	}
	printf("ok\n");
}
