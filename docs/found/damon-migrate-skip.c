// Expected: the action "migrate_cold" of DAMON migrates the pages of a region (damon/design.rst). So it does if all
// pages of the region are small (the control).
// Linux 7.3.4: at a page that belongs to a huge page, DAMON goes on behind the end that the huge page would have. It
// skips small pages that copy-on-write has put in between. Needs two nodes (numa=fake=2U), CONFIG_DAMON_SYSFS,
// CONFIG_DAMON_VADDR, CONFIG_TRANSPARENT_HUGEPAGE and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#define K "/sys/kernel/mm/damon/admin/kdamonds/"
#define C K "0/contexts/0/"
#define S C "schemes/0/"
#define HUGE (2L << 20)

static void word(const char *file, const char *value)
{
	int fd = open(file, O_WRONLY);
	if (write(fd, value, strlen(value)) < 0)
		perror(file), _exit(2);
	close(fd);
}

static void set(const char *file, long value)
{
	char text[32];
	sprintf(text, "%ld", value), word(file, text);
}

// A huge page, shared with a child. The process writes to each page from "first" on in steps, so that it has a
// small page of its own there. Returns how many of the odd pages are on node 1 after DAMON has migrated the range.
static int moved(int first, int step)
{
	char *p = mmap(0, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int at, n = 0;
	pid_t child;

	p = (char *)(((long)p + HUGE - 1) & -HUGE);
	madvise(p, HUGE, MADV_HUGEPAGE), memset(p, 1, HUGE);
	child = fork();
	if (!child)
		pause();
	for (int i = first; i < 512; i += step)
		p[i * 4096] = 2;
	set(K "nr_kdamonds", 1), set(K "0/contexts/nr_contexts", 1), word(C "operations", "fvaddr");
	set(C "monitoring_attrs/nr_regions/max", 3), set(C "monitoring_attrs/nr_regions/min", 3);
	set(C "targets/nr_targets", 1), set(C "targets/0/pid_target", getpid()), set(C "targets/0/regions/nr_regions", 1);
	set(C "targets/0/regions/0/start", (long)p), set(C "targets/0/regions/0/end", (long)p + HUGE);
	set(C "schemes/nr_schemes", 1), word(S "action", "migrate_cold"), set(S "target_nid", 1);
	set(S "access_pattern/sz/max", 1L << 62), set(S "access_pattern/nr_accesses/max", 1000), set(S "access_pattern/age/max", 1000);
	word(K "0/state", "on");
	sleep(2);
	word(K "0/state", "off");
	for (int i = 1; i < 512; i += 2)
		n += !syscall(SYS_get_mempolicy, &at, 0, 0, p + i * 4096, MPOL_F_NODE | MPOL_F_ADDR) && at == 1;
	kill(child, SIGKILL), wait(0);
	set(K "nr_kdamonds", 0);
	return n;
}

int main(void)
{
	int twin = moved(0, 1), n;

	if (twin < 250)
		return printf("cannot be run: %d of 256 pages have moved\n", twin), 2;
	n = moved(1, 2);
	if (n > 250)
		return puts("ok"), 0;
	printf("BROKEN: of 256 small pages between those of a huge page, %d have moved; of 256 small pages among small ones, %d\n", n, twin);
	return 1;
}
