// Expected: the pages of memfd_secret(2) are there for the process alone; get_user_pages refuses them.
// Linux 7.3.4: hmm_range_fault gives them to a device. Needs CONFIG_SECRETMEM, CONFIG_TEST_HMM and root.
// cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
struct hmm_dmirror_cmd { uint64_t addr, ptr, npages, cpages, faults; };
#define SNAPSHOT _IOWR('H', 0x04, struct hmm_dmirror_cmd)
#define READ_WRITE 3

int main(void)
{
	int dev = open("/dev/hmm_dmirror0", O_RDWR), memory = syscall(447 /* memfd_secret */, 0);
	unsigned char seen = 0;
	char *p, byte;

	if (memory < 0 || ftruncate(memory, 4096))
		return puts("cannot be run: no memfd_secret"), 2;
	p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	*p = 7;
	struct iovec here = { &byte, 1 }, there = { p, 1 };
	struct hmm_dmirror_cmd cmd = { .addr = (uintptr_t)p, .ptr = (uintptr_t)&seen, .npages = 1 };
	if (process_vm_readv(getpid(), &here, 1, &there, 1, 0) > 0)
		return puts("process_vm_readv reads secret memory"), 2;
	if (ioctl(dev, SNAPSHOT, &cmd))
		return puts("ok"), 0;
	printf(seen & READ_WRITE ? "BROKEN: a device may read and write secret memory; process_vm_readv may not\n" : "ok\n");
	return seen & READ_WRITE ? 1 : 0;
}
