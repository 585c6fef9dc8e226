// Expected: memory to which a device has exclusive access can be reclaimed.
// Linux 7.3.4: if the pages belong to a folio of 64 kB, reclaim takes a page-table entry that is
// not present for a present one: WARNING in folio_pte_batch. The program fills the memory (600 MB
// or less). Needs CONFIG_TEST_HMM, CONFIG_TRANSPARENT_HUGEPAGE, swap and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define AT ((char *)0x700000000000)
#define THP "/sys/kernel/mm/transparent_hugepage/"
static char mirror[HUGE], text[1 << 18];

static int scanned(void)
{
	read(open("/proc/vmstat", O_RDONLY), text, sizeof(text) - 1);
	return atoi(strstr(text, "pgscan_kswapd ") + 14);
}

int main(void)
{
	int start[2], before = scanned();
	pipe(start);
	if (!fork()) { // now, because fork ends exclusive access
		write(open("/proc/self/oom_score_adj", O_WRONLY), "1000", 4);
		for (read(start[0], text, 1); scanned() < before + 60000;)
			memset(mmap(0, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0), 1, HUGE);
		_exit(0);
	}
	write(open(THP "hugepages-64kB/enabled", O_WRONLY), "madvise", 7);
	write(open(THP "hugepages-2048kB/enabled", O_WRONLY), "never", 5);
	mmap(AT, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(AT, HUGE, MADV_HUGEPAGE);
	memset(AT, 1, HUGE);
	if (ioctl(open("/dev/hmm_dmirror0", O_RDWR), _IOWR('H', 5, long[5]), (long[5]){ (long)AT, (long)mirror, 256 })) // exclusive access
		perror("/dev/hmm_dmirror0");
	write(start[1], "", 1);
	wait(0);
	int length = klogctl(3 /* SYSLOG_ACTION_READ_ALL */, text, sizeof(text) - 1), broken = length > 0 && strstr(text, " at folio_pte_batch");
	return puts(broken ? "BROKEN: the kernel warns that an entry of a large folio is not present" : "ok"), broken;
}
