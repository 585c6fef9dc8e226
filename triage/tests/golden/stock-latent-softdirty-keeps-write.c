// Prints ok, or BROKEN and the first step at which Linux differs from a Linux 7.3 without bugs. Negative values: -errno or -signal.
// Needs root, CONFIG_TEST_HMM, CONFIG_MEM_SOFT_DIRTY. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#define PAGE 4096ul
#define at(page) ((char *)0x7fffff0000 + (page) * PAGE)
#define MIGRATE_TO_DEV _IOWR('H', 2, struct dmirror_cmd)
#define load(page) (*(volatile long *)at(page))
#define result(call) ((long)(call) == -1 ? -errno : 0)
#define store(page, word) ((*(volatile long *)at(page)) = (word))
static int devices[2];

static void expect(int step, const char *what, long got, long wanted)
{
	if (got != wanted)
		dprintf(1, "BROKEN: step %d: %s: %ld, not %ld\n", step, what, got, wanted), _exit(1);
}

struct dmirror_cmd { unsigned long addr, ptr, npages, cpages, faults; };
static unsigned long mirror[32 * PAGE / sizeof(long)];
static long device(int dev, unsigned long command, int page, long pages)
{
	struct dmirror_cmd cmd = { (long)at(page), (long)mirror, pages, 0, 0 };
	if (!devices[dev] && (devices[dev] = open(dev ? "/dev/hmm_dmirror1" : "/dev/hmm_dmirror0", O_RDWR)) < 0)
		perror("/dev/hmm_dmirror"), _exit(2);
	return ioctl(devices[dev], command, &cmd) ? -errno : (long)cmd.cpages;
}

/* Bits 55 and up: 1 soft-dirty, 2 mapped once, 4 uffd-wp, 0x40 file, 0x80 not present, 0x100 present. */
static void pagemap(int step, int page, int pages, const unsigned long *wanted)
{
	unsigned long entry[32];
	int fd = open("/proc/self/pagemap", O_RDONLY), i;
	if (pread(fd, entry, pages * 8, (unsigned long)at(page) / PAGE * 8) != pages * 8 || close(fd))
		perror("/proc/self/pagemap"), _exit(2);
	for (i = 0; i < pages; i++)
		if ((entry[i] = entry[i] >> 55 & 0x1c7) != wanted[i])
			dprintf(1, "BROKEN: step %d: pagemap of page %d: %#lx, not %#lx\n", step, page + i, entry[i], wanted[i]), _exit(1);
}

static void on_fault(int number) { dprintf(1, "BROKEN: signal %d\n", number), _exit(1); }

int main(void)
{
	signal(SIGSEGV, on_fault), signal(SIGBUS, on_fault);
	expect(0, "mmap p0 0 1 rw", result(mmap(at(0), 1ul * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0)), 0);
	expect(1, "migrate p0 0 1 d0", device(0, MIGRATE_TO_DEV, 0, 1), 1);
	expect(2, "clear-soft-dirty p0", write(open("/proc/self/clear_refs", O_WRONLY), "4", 1), 1);
	/* what the program has left */
	pagemap(3, 0, 1, (unsigned long[]){ 0x80 });
	expect(4, "read p0 0", load(0), 0);
	expect(5, "write p0 0", store(0, 6), 6);
	pagemap(6, 0, 1, (unsigned long[]){ 0x103 });
	puts("ok");
}
