// Expected: sz_ops_filter_passed counts what passes the filters of the operations layer, in addr_unit.
// Linux 7.3.4: if addr_unit is greater than the size of a page, each small page counts 0. sz_applied, its twin,
// is right. Needs CONFIG_DAMON_SYSFS, CONFIG_DAMON_PADDR, and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define K "/sys/kernel/mm/damon/admin/kdamonds/"
#define C K "0/contexts/0/"
#define S C "schemes/0/"
#define SIZE (64L << 20)

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

static long get(const char *file)
{
	char text[64] = "";
	return read(open(file, O_RDONLY), text, 63) > 0 ? atol(text) : -1;
}

// Makes anonymous pages inactive. Returns the bytes that have passed the filter "anon" per byte that is treated.
static double passed(long unit, long *bytes, long *applied)
{
	set(K "nr_kdamonds", "1"), set(K "0/contexts/nr_contexts", "1"), set(C "operations", "paddr");
	number(C "addr_unit", unit);
	number(C "monitoring_attrs/intervals/sample_us", 100000), number(C "monitoring_attrs/intervals/aggr_us", 1000000);
	set(C "targets/nr_targets", "1"), set(C "targets/0/regions/nr_regions", "1");
	number(C "targets/0/regions/0/start", (16L << 20) / unit), number(C "targets/0/regions/0/end", (576L << 20) / unit);
	set(C "schemes/nr_schemes", "1"), set(S "action", "lru_deprio");
	number(S "access_pattern/sz/max", 1L << 62), set(S "access_pattern/nr_accesses/max", "1000"), set(S "access_pattern/age/max", "1000");
	set(S "ops_filters/nr_filters", "1"), set(S "ops_filters/0/type", "anon");
	set(S "ops_filters/0/matching", "Y"), set(S "ops_filters/0/allow", "Y");
	set(K "0/state", "on");
	sleep(3);
	set(K "0/state", "update_schemes_stats");
	*bytes = get(S "stats/sz_ops_filter_passed") * unit, *applied = get(S "stats/sz_applied") * unit;
	set(K "0/state", "off"), set(K "nr_kdamonds", "0");
	return (double)*bytes / *applied;
}

int main(void)
{
	long bytes, applied, bytes2, applied2;
	char *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	madvise(p, SIZE, MADV_NOHUGEPAGE), memset(p, 1, SIZE);
	double twin = passed(4096, &bytes, &applied), ratio = passed(8192, &bytes2, &applied2);
	if (applied < SIZE || applied2 < SIZE || twin < 0.9)
		return printf("cannot be run: %ld %ld %ld %ld\n", bytes, applied, bytes2, applied2), 2;
	if (ratio > 0.9)
		return puts("ok"), 0;
	printf("BROKEN: with addr_unit 8192, the action is applied to %ld bytes, and %ld have passed the filter; with 4096, to %ld, and %ld\n", applied2, bytes2, applied, bytes);
	return 1;
}
