// Prints ok, or BROKEN and the first step at which Linux differs from a Linux 7.3 without bugs. Negative values: -errno or -signal.
// Needs root, CONFIG_TEST_HMM. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#define PAGE 4096ul
#define at(page) ((char *)0x7fffff0000 + (page) * PAGE)
#define MIGRATE_TO_DEV _IOWR('H', 2, struct dmirror_cmd)
#define load(page) (*(volatile long *)at(page))
#define result(call) ((long)(call) == -1 ? -errno : 0)
#define MAIN 0
#define STOPPED (-2)
static int devices[2];

/* Steps are carried out one after the other, each by the process that it names. */
static volatile struct { int done, status; pid_t pid[8]; } *all;
static int self = MAIN;
static void stop(int status)
{
	all->status = status;
	all->done = STOPPED;
	_exit(status);
}
static int after(int step, int process)
{
	while (self == process && all->done != step) {
		if (all->done == STOPPED)
			_exit(all->status);
		usleep(100);
	}
	return self == process;
}
static void passed(int step, int process)
{
	if (self == process)
		all->done = step;
}
static long spawn(int child)
{
	pid_t pid = fork();
	if (pid)
		all->pid[child] = pid;
	else
		self = child, devices[0] = devices[1] = 0;
	return pid < 0 ? -errno : child;
}

static void expect(int step, const char *what, long got, long wanted)
{
	if (got != wanted)
		dprintf(1, "BROKEN: step %d: %s: %ld, not %ld\n", step, what, got, wanted), stop(1);
}

struct dmirror_cmd { unsigned long addr, ptr, npages, cpages, faults; };
static unsigned long mirror[32 * PAGE / sizeof(long)];
static long device(int dev, unsigned long command, int page, long pages)
{
	struct dmirror_cmd cmd = { (long)at(page), (long)mirror, pages, 0, 0 };
	if (!devices[dev] && (devices[dev] = open(dev ? "/dev/hmm_dmirror1" : "/dev/hmm_dmirror0", O_RDWR)) < 0)
		perror("/dev/hmm_dmirror"), stop(2);
	return ioctl(devices[dev], command, &cmd) ? -errno : (long)cmd.cpages;
}

static void on_fault(int number) { dprintf(1, "BROKEN: signal %d\n", number), stop(1); }

/* Bits 55 and up: 1 soft-dirty, 2 mapped once, 4 uffd-wp, 0x40 file, 0x80 not present, 0x100 present. */
static void pagemap(int step, int page, int pages, const unsigned long *wanted)
{
	unsigned long entry[32];
	int fd = open("/proc/self/pagemap", O_RDONLY), i;
	if (pread(fd, entry, pages * 8, (unsigned long)at(page) / PAGE * 8) != pages * 8 || close(fd))
		perror("/proc/self/pagemap"), stop(2);
	for (i = 0; i < pages; i++)
		if ((entry[i] = entry[i] >> 55 & 0x1c7) != wanted[i])
			dprintf(1, "BROKEN: step %d: pagemap of page %d: %#lx, not %#lx\n", step, page + i, entry[i], wanted[i]), stop(1);
}

int main(void)
{
	signal(SIGSEGV, on_fault), signal(SIGBUS, on_fault);
	all = mmap(NULL, sizeof(*all), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	all->done = -1;
	signal(SIGCHLD, SIG_IGN);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (after(-1, 0))
		expect(0, "mmap p0 0 1 r", result(mmap(at(0), 1ul * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0)), 0), passed(0, 0);
	if (after(0, 0))
		expect(1, "migrate p0 0 1 d0", device(0, MIGRATE_TO_DEV, 0, 1), 1), passed(1, 0);
	if (after(1, 0))
		expect(2, "fork p0", spawn(1), 1), passed(2, 0);
	if (after(2, 0))
		expect(3, "read p0 0", load(0), 0), passed(3, 0);
	/* what the program has left */
	if (after(3, 0))
		pagemap(4, 0, 1, (unsigned long[]){ 0x101 }), passed(4, 0);
	if (after(4, 0))
		expect(5, "read p0 0", load(0), 0), passed(5, 0);
	if (after(5, 1))
		pagemap(6, 0, 1, (unsigned long[]){ 0x101 }), passed(6, 1);
	if (after(6, 1))
		expect(7, "read p1 0", load(0), 0), passed(7, 1);
	after(7, self);
	if (self != MAIN)
		_exit(0);
	while (wait(NULL) > 0)
		;
	puts("ok");
}
