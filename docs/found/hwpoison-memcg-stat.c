// Expected: once a file of shared memory is gone, "shmem" and "file" of its cgroup's memory.stat are what
// they were (cgroup-v2.rst: "Amount of cached filesystem data that is swap-backed"), as they are without
// MADV_HWPOISON (the control), and as Shmem of /proc/meminfo is.
// Linux 7.3.4: each page that memory failure has handled stays counted for ever. Needs cgroup2 with the
// memory controller, CONFIG_MEMORY_FAILURE and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#define PAGES 1

static int put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY), bad = fd < 0 || write(fd, text, strlen(text)) < 0;

	close(fd);
	return bad;
}

// The number after a word in a file.
static long get(const char *file, const char *word)
{
	char text[16384] = "", *found;
	int fd = open(file, O_RDONLY);

	read(fd, text, sizeof(text) - 1);
	close(fd);
	found = strstr(text, word);
	return found ? atol(found + strlen(word)) : -1;
}

// "shmem" of memory.stat after a child of the cgroup had a page of shared memory. MADV_HWPOISON kills the child.
static long rest(int advice)
{
	int status;

	if (!fork()) {
		char *p = mmap(0, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

		if (put("/cg/a/cgroup.procs", "0"))
			_exit(1);
		memset(p, 1, PAGES * 4096);
		for (int i = 0; i < PAGES; i++)
			if (advice && madvise(p + i * 4096, 4096, advice))
				_exit(1);
		_exit(0);
	}
	wait(&status);
	sleep(3);
	return WIFEXITED(status) && status ? -1 : get("/cg/a/memory.stat", "\nshmem ");
}

int main(void)
{
	long without, with, meminfo = get("/proc/meminfo", "\nShmem:"), more;

	mkdir("/cg", 0700);
	if (mount("none", "/cg", "cgroup2", 0, 0) || put("/cg/cgroup.subtree_control", "+memory") || mkdir("/cg/a", 0700))
		return perror("cgroup2"), 2;
	without = rest(0), with = rest(100 /* MADV_HWPOISON */), more = get("/proc/meminfo", "\nShmem:") - meminfo;
	if (without || with < 0)
		return printf("cannot be run: %ld, %ld\n", without, with), 2;
	if (!with)
		return puts("ok"), 0;
	printf("BROKEN: memory.stat of an empty cgroup: file %ld, shmem %ld, of %ld bytes in memory.current; Shmem of /proc/meminfo: %ld kB more\n",
		get("/cg/a/memory.stat", "\nfile "), with, get("/cg/a/memory.current", ""), more);
	return 1;
}
