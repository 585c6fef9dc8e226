// Expected: a page of a device can be used again, whatever page was there before.
// Linux 7.3.4: the kernel dies (BUG in folio_migrate_flags, DEBUG_VM) if an mlocked page was there
// before, and an active page then comes home from there. Needs CONFIG_TEST_HMM and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#define SIZE (64 * 4096L)
static char mirror[SIZE], text[SIZE];

// Makes pages, and moves them to the device. If "locked" is not 0, two processes lock the pages.
// Otherwise the pages are active.
static char *on_device(int dmirror, int locked)
{
	char *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(p, 1, SIZE);
	mprotect(p, SIZE, PROT_READ);
	int child = locked ? fork() : -1;
	if (locked)
		mlock(p, SIZE), child || pause(), sleep(1);
	for (int i = 0; i < 4; i++) {
		if (!locked)
			process_vm_readv(getpid(), &(struct iovec){ text, SIZE }, 1, &(struct iovec){ p, SIZE }, 1, 0);
		write(open("/proc/sys/vm/drop_caches", O_WRONLY), "1", 1); // drains the batches of the LRU
	}
	ioctl(dmirror, _IOWR('H', 2, long[5]), (long[5]){ (long)p, (long)mirror, 64 });
	if (locked)
		kill(child, SIGKILL), wait(0);
	return p;
}

int main(void)
{
	int dmirror = open("/dev/hmm_dmirror0", O_RDWR);
	munmap(on_device(dmirror, 1), SIZE);
	volatile char *p = on_device(dmirror, 0);
	for (long i = 0; i < SIZE; i += 4096)
		p[i]; // comes home
	return puts("ok"), 0;
}
