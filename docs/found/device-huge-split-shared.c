// Expected: a driver may provide small pages for a huge page that migrates to its device, even if
// fork has shared the huge page; both processes keep its contents.
// Linux 7.3.4: kernel BUG at mm/migrate.c:368, in remove_migration_pte. Needs CONFIG_TEST_HMM,
// CONFIG_TRANSPARENT_HUGEPAGE and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define AT ((char *)0x700000000000)
static char mirror[HUGE];

static int wrong(void)
{
	int count = 0;
	for (long i = 0; i < 512; i++)
		count += *(volatile long *)(AT + i * 4096) != i + 1;
	return count;
}

int main(void)
{
	int dmirror = open("/dev/hmm_dmirror0", O_RDWR), status = -1;
	mmap(AT, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(AT, HUGE, MADV_HUGEPAGE);
	for (long i = 0; i < 512; i++)
		*(volatile long *)(AT + i * 4096) = i + 1;
	if (!fork())
		sleep(1), _exit(wrong() != 0);
	// the next allocation of a huge page of the device fails (HMM_DMIRROR_FLAG_FAIL_ALLOC)
	ioctl(dmirror, _IOWR('H', 8, long[5]), (long[5]){ 0, 0, 1 });
	ioctl(dmirror, _IOWR('H', 2, long[5]), (long[5]){ (long)AT, (long)mirror, 512 }); // migrate to the device
	wait(&status);
	int broken = status || wrong();
	return puts(broken ? "BROKEN: a huge page has lost its contents on its way to a device" : "ok"), broken;
}
