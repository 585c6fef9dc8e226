// Expected: a probe's "hits" is the number of samples in an aggregation interval that have hit (damon/usage.rst).
// Linux 7.3.4: the counter has 8 bits. If 256 of 256 samples have hit, the file says 0. nr_accesses, its twin,
// has 32 bits. Needs CONFIG_DAMON_SYSFS, CONFIG_DAMON_PADDR and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define K "/sys/kernel/mm/damon/admin/kdamonds/"
#define C K "0/contexts/0/"
#define S C "schemes/0/"

static void set(const char *file, const char *value)
{
	int fd = open(file, O_WRONLY);
	if (write(fd, value, strlen(value)) < 0)
		perror(file), _exit(2);
	close(fd);
}

static void number(const char *file, long value)
{
	char text[32];
	sprintf(text, "%ld", value), set(file, text);
}

// Monitors 16 MiB with a probe that every sample hits. Returns what "hits" says.
static long hits(long samples)
{
	char text[64] = "";
	int fd;

	set(K "nr_kdamonds", "1"), set(K "0/contexts/nr_contexts", "1"), set(C "operations", "paddr");
	number(C "monitoring_attrs/intervals/sample_us", 4000), number(C "monitoring_attrs/intervals/aggr_us", 4000 * samples);
	number(C "monitoring_attrs/nr_regions/min", 3), number(C "monitoring_attrs/nr_regions/max", 10);
	set(C "monitoring_attrs/probes/nr_probes", "1");
	set(C "targets/nr_targets", "1"), set(C "targets/0/regions/nr_regions", "1");
	number(C "targets/0/regions/0/start", 64 << 20), number(C "targets/0/regions/0/end", 80 << 20);
	set(C "schemes/nr_schemes", "1"), set(S "action", "stat");
	number(S "access_pattern/sz/max", 1L << 62), set(S "access_pattern/nr_accesses/max", "1000"), set(S "access_pattern/age/max", "1000");
	set(K "0/state", "on");
	sleep(3);
	set(K "0/state", "update_schemes_tried_regions");
	fd = open(S "tried_regions/0/probes/0/hits", O_RDONLY);
	if (read(fd, text, 63) <= 0)
		perror("hits"), _exit(2);
	close(fd);
	set(K "0/state", "off");
	set(K "nr_kdamonds", "0");
	return atol(text);
}

int main(void)
{
	long twin = hits(200), few = hits(256), many = hits(320);

	if (twin < 190)
		return printf("cannot be run: of 200 samples, %ld have hit\n", twin), 2;
	if (few > 190 && many > 190)
		return puts("ok"), 0;
	printf("BROKEN: of 200, 256 and 320 samples that all have hit, \"hits\" counts %ld, %ld and %ld\n", twin, few, many);
	return 1;
}
