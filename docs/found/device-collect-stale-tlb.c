// Expected: after UFFDIO_WRITEPROTECT, the next write to the page raises SIGBUS, as was asked for.
// Linux 7.3.4: migrate_vma_collect_pmd gives up the page-table lock before it flushes the TLB, so a
// write goes through. The program wins the race within seconds. Needs CONFIG_TEST_HMM,
// CONFIG_TRANSPARENT_HUGEPAGE, CONFIG_USERFAULTFD and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define AT ((char *)0x700000000000)
static char mirror[HUGE];
static volatile int go, seen, missed;
static int uffd;

static int protect(long mode)
{
	return ioctl(uffd, UFFDIO_WRITEPROTECT, &(struct uffdio_writeprotect){ { (long)AT, 4096 }, mode });
}

static void faulted(int signal)
{
	seen = 1;
	protect(0);
}

static void folios_of_64_kb(const char *when)
{
	int file = open("/sys/kernel/mm/transparent_hugepage/hugepages-64kB/shmem_enabled", O_WRONLY);
	write(file, when, 6);
	close(file);
}

static void *writer(void *unused)
{
	for (;; go = 0) {
		while (!go)
			usleep(100);
		*(volatile char *)AT = 1;
		usleep(20 + rand() % 3000);
		seen = protect(UFFDIO_WRITEPROTECT_MODE_WP) != 0;
		*(volatile char *)AT = 2;
		missed += !seen;
	}
	return unused;
}

int main(void)
{
	int dmirror = open("/dev/hmm_dmirror0", O_RDWR), file;
	pthread_t thread;
	uffd = syscall(SYS_userfaultfd, 0);
	if (ioctl(uffd, UFFDIO_API, &(struct uffdio_api){ UFFD_API, UFFD_FEATURE_SIGBUS | UFFD_FEATURE_WP_HUGETLBFS_SHMEM }))
		return puts("no userfaultfd"), 2;
	signal(SIGBUS, faulted);
	pthread_create(&thread, 0, writer, 0);
	pthread_setschedparam(thread, SCHED_FIFO, &(struct sched_param){ 50 }); // so that it preempts
	for (int i = 0; i < 200 && !missed; i++, close(file)) {
		file = memfd_create("", 0);
		ftruncate(file, HUGE);
		folios_of_64_kb("never ");
		pwrite(file, "1", 1, 0); // the first page is a small folio
		folios_of_64_kb("always");
		mmap(AT, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED, file, 0);
		ioctl(uffd, UFFDIO_REGISTER, &(struct uffdio_register){ { (long)AT, HUGE }, UFFDIO_REGISTER_MODE_WP });
		for (int page = 0; page < 512; page++)
			AT[page * 4096] = 1;
		go = 1;
		ioctl(dmirror, _IOWR('H', 2, long[5]), (long[5]){ (long)AT, (long)mirror, 512 }); // migrate to the device
		while (go)
			usleep(100);
	}
	return missed ? puts("BROKEN: a write to a page that is write-protected raises no SIGBUS"), 1 : (puts("ok"), 0);
}
