// Expected: when zswap is full and writes entries to the disk, it kills nothing, also if the cgroup that the
// entries belong to has reached memory.max, and all its processes sleep. With 1 MiB more, the writeback works,
// and kills nothing (the control).
// Linux 7.3.4: the writeback charges its page to the cgroup, which fails, and the OOM killer kills a process of
// the cgroup. Needs cgroup2 with the memory controller, CONFIG_ZSWAP, swap and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#define SIZE (16l << 20)

static int put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY), bad = fd < 0 || write(fd, text, strlen(text)) < 0;

	close(fd);
	return bad;
}

static long get(const char *file, const char *word)
{
	char text[16384] = "", *found;
	int fd = open(file, O_RDONLY);

	read(fd, text, sizeof(text) - 1);
	close(fd);
	found = strstr(text, word);
	return found ? atol(found + strlen(word)) : -1;
}

// Whether zswap's writeback kills a process whose cgroup may have so much more memory; *written is how
// many pages it writes.
static int killed(long more, long *written)
{
	char *p, text[32];
	int ready[2], ended;
	pid_t child;

	put("/sys/module/zswap/parameters/max_pool_percent", "20");
	if (mkdir("/cg/a", 0700) || pipe(ready))
		return perror("cgroup"), -1;
	child = fork();
	if (!child) {
		put("/cg/a/cgroup.procs", "0");
		p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (long i = 0, random = open("/dev/urandom", O_RDONLY); i < SIZE; i += 1 << 20)
			read(random, p + i, 1 << 20);
		madvise(p, SIZE, MADV_PAGEOUT);
		mlock(mmap(0, SIZE / 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), SIZE / 2);
		write(ready[1], "x", 1);
		for (;;)
			pause();
	}
	read(ready[0], text, 1);
	put("/cg/a/memory.swap.max", "0");
	put("/cg/a/memory.high", "4096"), put("/cg/a/memory.high", "max");	// gives cached charges back
	sprintf(text, "%ld", get("/cg/a/memory.current", "") + more);
	put("/cg/a/memory.max", text);
	sleep(1);
	if (waitpid(child, 0, WNOHANG) || get("/cg/a/memory.zswap.current", "") < SIZE / 2)
		return -1;
	*written = get("/proc/vmstat", "zswpwb ");
	put("/sys/module/zswap/parameters/max_pool_percent", "1");
	// A page of another cgroup that finds zswap full starts the writeback.
	p = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(p, 1, 1 << 20), madvise(p, 1 << 20, MADV_PAGEOUT);
	sleep(4);
	ended = waitpid(child, 0, WNOHANG) == child;
	*written = get("/proc/vmstat", "zswpwb ") - *written;
	if (ended && get("/cg/a/memory.events", "oom_kill ") != 1)
		return -1;
	if (!ended)
		kill(child, SIGKILL), waitpid(child, 0, 0);
	while (rmdir("/cg/a") && !ended)
		usleep(10000);
	return ended;
}

int main(void)
{
	long first, second;
	int more, exact;

	mkdir("/cg", 0700);
	if (mount("none", "/cg", "cgroup2", 0, 0) || put("/cg/cgroup.subtree_control", "+memory"))
		return perror("cgroup2"), 2;
	if (put("/sys/module/zswap/parameters/enabled", "Y"))
		return perror("zswap"), 2;
	more = killed(1 << 20, &first), exact = killed(0, &second);
	if (more || exact < 0 || first < 1)
		return printf("cannot be run: %d, %d\n", more, exact), 2;
	if (!exact)
		return puts("ok"), 0;
	printf("BROKEN: zswap writes %ld pages and kills a sleeping process of a full cgroup; with 1 MiB more, it writes %ld and kills none\n", second, first);
	return 1;
}
