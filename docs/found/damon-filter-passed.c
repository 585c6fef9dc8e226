// Expected: sz_ops_filter_passed counts what passes the filters of the operations layer (damon/design.rst).
// Linux 7.3.4: for virtual addresses, it stays 0 if the action is "migrate_cold" or "migrate_hot". Needs
// two nodes (numa=fake=2U), CONFIG_DAMON_SYSFS, CONFIG_DAMON_VADDR and root. cc -static
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
#define SIZE (8L << 20)

static void set(const char *file, long value)
{
	char text[32];
	int fd = open(file, O_WRONLY);
	if (write(fd, text, sprintf(text, "%ld", value)) < 0)
		perror(file), _exit(2);
	close(fd);
}

static void word(const char *file, const char *value)
{
	int fd = open(file, O_WRONLY);
	if (write(fd, value, strlen(value)) < 0)
		perror(file), _exit(2);
	close(fd);
}

static long get(const char *file)
{
	char text[64] = "";
	return read(open(file, O_RDONLY), text, 63) > 0 ? atol(text) : -1;
}

// Applies the action to memory, with a filter that all of it passes. Returns sz_ops_filter_passed.
static long passed(const char *action, long *applied)
{
	char *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long result;

	memset(p, 1, SIZE);
	set(K "nr_kdamonds", 1), set(K "0/contexts/nr_contexts", 1), word(C "operations", "fvaddr");
	set(C "targets/nr_targets", 1), set(C "targets/0/pid_target", getpid()), set(C "targets/0/regions/nr_regions", 1);
	set(C "targets/0/regions/0/start", (long)p), set(C "targets/0/regions/0/end", (long)p + SIZE);
	set(C "schemes/nr_schemes", 1), word(S "action", action), set(S "target_nid", 1);
	set(S "access_pattern/sz/max", 1L << 62), set(S "access_pattern/nr_accesses/max", 1000), set(S "access_pattern/age/max", 1000);
	set(S "ops_filters/nr_filters", 1), word(S "ops_filters/0/type", "anon");
	word(S "ops_filters/0/matching", "Y"), word(S "ops_filters/0/allow", "Y");
	word(K "0/state", "on");
	sleep(3);
	word(K "0/state", "update_schemes_stats");
	*applied = get(S "stats/sz_applied"), result = get(S "stats/sz_ops_filter_passed");
	word(K "0/state", "off");
	munmap(p, SIZE);
	return result;
}

int main(void)
{
	long applied, stat = passed("stat", &applied), migrated = passed("migrate_cold", &applied);

	if (stat <= 0 || applied <= 0)
		return printf("cannot be run: stat has passed %ld bytes, and %ld are migrated\n", stat, applied), 2;
	if (migrated < applied)
		return printf("BROKEN: %ld bytes are migrated, and %ld have passed the filter; for \"stat\", %ld have passed\n", applied, migrated, stat), 1;
	return puts("ok"), 0;
}
