// Expected: a device can write to memory whose page it holds, also after a fork.
// Linux 7.3.4: hmm_range_fault, asked for write access, reports the device's own page as read-only
// and returns success: WARNING in dmirror_do_fault, and the write fails with EFAULT. Needs
// CONFIG_TEST_HMM and root. cc -static
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#define DEVICE(call, at, buffer) \
	ioctl(dmirror, _IOWR('H', call, long[5]), (long[5]){ (long)(at), (long)(buffer), 1 })
enum { WRITE = 1, MIGRATE_TO_DEV };

int main(void)
{
	static char new[4096] = { 7 }, mirror[4096];
	int dmirror = open("/dev/hmm_dmirror0", O_RDWR);
	char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*p = 1;
	if (DEVICE(MIGRATE_TO_DEV, p, mirror) || DEVICE(WRITE, p, new))
		return puts("the device cannot write"), 2;
	if (!fork())
		_exit(0);
	wait(0);
	new[0] = 8;
	int fails = DEVICE(WRITE, p, new);
	if (!fails && *p == 8)
		return puts("ok"), 0;
	printf("BROKEN: after a fork, a device %s\n", fails ? "cannot write to its own page" : "loses a write");
	return 1;
}
