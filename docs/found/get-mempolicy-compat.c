// Expected: get_mempolicy stores maxnode bits, rounded to a multiple of sizeof(unsigned long) * 8
// (get_mempolicy(2)): 32 bits for a 32-bit system call. Linux 7.3.4: it rounds to 64 bits, and zeroes the
// 4 bytes behind the mask. Needs CONFIG_IA32_EMULATION. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static long old(long number, void *mode, void *mask, long maxnode) // a system call of a 32-bit program
{
	long result;

	asm volatile("int $0x80" : "=a"(result) : "a"(number), "b"(mode), "c"(mask), "d"(maxnode), "S"(0), "D"(0) : "memory", "r8", "r9", "r10", "r11");
	return (int)result;
}

int main(void)
{
	unsigned *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0), twin;
	long error;

	if (p == MAP_FAILED)
		return perror("mmap"), 2;
	memset(p, 0xff, 4096); // p[0]: the mode; p[2]: the mask of 32 nodes; p[3]: another variable
	if (syscall(SYS_get_mempolicy, p, p + 2, 64, 0, 0))
		return perror("get_mempolicy"), 2;
	twin = p[4]; // behind a mask of 64 nodes
	memset(p, 0xff, 4096);
	error = old(275, p, p + 2, 32); // get_mempolicy
	if (error == -ENOSYS || twin != ~0u || p[0] || p[2])
		return printf("cannot be run: %ld, %x\n", error, twin), 2;
	printf(p[3] != ~0u ? "BROKEN: get_mempolicy(&mode, &mask, 32, 0, 0) of a 32-bit program has changed the 4 bytes behind its mask of 4 bytes from %#x to %#x\n" : "ok\n", ~0u, p[3]);
	return p[3] != ~0u;
}
