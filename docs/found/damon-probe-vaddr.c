// Expected: DAMON executes a probe for each sample, and "hits" counts the samples that have hit (design.rst: "DAMON
// executes the probes for each region's sampling memory"). It does so for physical addresses (the twin).
// Linux 7.3.4: for virtual addresses it accepts probes and never executes them. If a probe has a weight, DAMON
// monitors nothing at all, so memory that is used all the time looks idle, and a scheme pages it out.
// Needs CONFIG_DAMON_SYSFS, CONFIG_DAMON_VADDR, CONFIG_DAMON_PADDR and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#define K "/sys/kernel/mm/damon/admin/kdamonds/"
#define C K "0/contexts/0/"
#define S C "schemes/0/"
#define SIZE (4l << 20)
#define AT (1l << 32)

static void set(const char *file, long value, const char *text)
{
	char number[32];
	int fd = open(file, O_WRONLY);

	sprintf(number, "%ld", value), text = text ? text : number;
	if (write(fd, text, strlen(text)) < 0)
		perror(file), _exit(2);
	close(fd);
}

static long get(const char *file)
{
	char text[64] = "";
	int fd = open(file, O_RDONLY);

	if (read(fd, text, 63) <= 0)
		perror(file), _exit(2);
	close(fd);
	return atol(text);
}

// A process reads 4 MiB all the time. DAMON samples it 100 times per interval, with a probe that hits always.
// Returns the greatest count of hits that a region has. *out is how much of the memory a scheme pages out.
static long hits(const char *ops, int weight, long *out)
{
	int vaddr = !strcmp(ops, "vaddr");
	pid_t child = fork();
	long most = 0, regions;
	char file[200];

	if (!child) {
		char *p = mmap((void *)AT, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

		for (memset(p, 1, SIZE);; usleep(1000))
			for (long i = 0; i < SIZE; i += 4096)
				((volatile char *)p)[i];
	}
	sleep(1);
	set(K "nr_kdamonds", 1, 0), set(K "0/contexts/nr_contexts", 1, 0), set(C "operations", 0, ops);
	set(C "monitoring_attrs/intervals/sample_us", 10000, 0), set(C "monitoring_attrs/intervals/aggr_us", 1000000, 0);
	set(C "monitoring_attrs/nr_regions/min", 3, 0), set(C "monitoring_attrs/nr_regions/max", 10, 0);
	set(C "monitoring_attrs/probes/nr_probes", 1, 0), set(C "monitoring_attrs/probes/0/weight", weight, 0);
	set(C "targets/nr_targets", 1, 0), set(C "targets/0/regions/nr_regions", 1, 0);
	if (vaddr)
		set(C "targets/0/pid_target", child, 0);
	set(C "targets/0/regions/0/start", vaddr ? AT : 64 << 20, 0), set(C "targets/0/regions/0/end", vaddr ? AT + SIZE : 68 << 20, 0);
	set(C "schemes/nr_schemes", 1, 0), set(S "action", 0, out ? "pageout" : "stat");
	set(S "access_pattern/sz/max", 1l << 62, 0), set(S "access_pattern/nr_accesses/max", out ? 0 : 1000, 0);
	set(S "access_pattern/age/min", out ? 1 : 0, 0), set(S "access_pattern/age/max", 1000, 0);
	set(K "0/state", 0, "on");
	sleep(8);
	if (out) {
		set(K "0/state", 0, "update_schemes_stats");
		*out = get(S "stats/sz_applied");
	} else {
		set(K "0/state", 0, "update_schemes_tried_regions");
		for (regions = 0; sprintf(file, S "tried_regions/%ld/probes/0/hits", regions), !access(file, R_OK); regions++)
			most = get(file) > most ? get(file) : most;
	}
	set(K "0/state", 0, "off"), set(K "nr_kdamonds", 0, 0);
	kill(child, SIGKILL), waitpid(child, 0, 0);
	return most;
}

int main(void)
{
	long physical = hits("paddr", 0, 0), virtual = hits("vaddr", 0, 0), with, without;

	hits("vaddr", 0, &without), hits("vaddr", 1, &with);
	if (physical < 50)
		return printf("cannot be run: a probe of physical addresses hits %ld times\n", physical), 2;
	if (virtual > physical / 2)
		return puts("ok"), 0;
	printf("BROKEN: of 100 samples, a probe hits %ld for physical addresses, and %ld for virtual ones; if it has a weight, %ld bytes that are used all the time are paged out (without: %ld)\n", physical, virtual, with, without);
	return 1;
}
