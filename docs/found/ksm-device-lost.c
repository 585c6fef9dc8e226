// Expected: memory that KSM has merged can be read after it was on a device.
// Linux 7.3.4: the read never returns, since a migration entry stays behind. Needs CONFIG_KSM,
// CONFIG_TEST_HMM and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#define AT(page) ((char *)0x700000000000 + (page) * 4096L)

static void ksm(void)
{
	write(open("/sys/kernel/mm/ksm/run", O_WRONLY), "1", 1);
	sleep(2);
	write(open("/sys/kernel/mm/ksm/run", O_WRONLY), "0", 1);
}

int main(void)
{
	pid_t child = fork();
	if (child) {
		sleep(12);
		int broken = !waitpid(child, 0, WNOHANG);
		kill(child, SIGKILL);
		return puts(broken ? "BROKEN: a page that KSM had merged cannot be read after it was on a device" : "ok"), broken;
	}
	mmap(AT(0), 2 * 4096, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*(volatile long *)AT(0) = *(volatile long *)AT(1) = 1;
	madvise(AT(0), 2 * 4096, MADV_MERGEABLE);
	ksm();
	int dmirror = open("/dev/hmm_dmirror0", O_RDWR);
	ioctl(dmirror, _IOWR('H', 2, long[5]), (long[5]){ (long)AT(0), 0, 2 }); // migrate to the device
	ksm();
	(void)*(volatile long *)AT(0);
	(void)*(volatile long *)AT(1);
	(void)*(volatile long *)AT(0);
}
