// Expected: memory that a process has set to 0 is 0 when it comes back from swap, as memory that it has set
// to 2 is 2 (the control). zswap_store says that it must drop old entries, because writeback of them "could
// overwrite the new data".
// Linux 7.3.4: the memory has the bytes of before, if zswap had stored them, and the process then took the
// pages from the swap cache, and set them to 0 before they went to swap again. Needs cgroup2 with the memory
// controller, CONFIG_ZSWAP, CONFIG_TRANSPARENT_HUGEPAGE, CONFIG_MEM_SOFT_DIRTY, swap and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#define SIZE (2l << 20)
#define OTHER 400
#define STORED "/sys/kernel/debug/zswap/stored_pages"

static char *p;

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

// Reads all pages but the last once zswap stores them.
static void *reader(void *start)
{
	sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ 1 });
	for (int i = 0; i < 10000 && get(STORED, "") < (long)start + 8; i++)
		usleep(100);
	for (long i = 0; i < SIZE - 4096; i += 4096)
		*(volatile char *)(p + i);
	return 0;
}

// How many pages have old bytes after they have been overwritten, or -1.
static long old(int byte)
{
	char *other = mmap(0, OTHER * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long bad = 0, start;
	pthread_t thread;

	put("/cg/a/memory.zswap.max", "max");
	for (int try = 0;; try++) {
		p = mmap((char *)(1l << 32), SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		madvise(p, SIZE, MADV_HUGEPAGE);
		memset(p, 1, SIZE);
		// The last page alone is soft-dirty, so that faults map single pages of the folio.
		mprotect(p, 4096, PROT_READ), mprotect(p, 4096, PROT_READ | PROT_WRITE);
		put("/proc/self/clear_refs", "4");
		p[SIZE - 1] = 1;
		start = get(STORED, "");
		pthread_create(&thread, 0, reader, (void *)start);
		madvise(p, SIZE, MADV_PAGEOUT);
		pthread_join(thread, 0);
		// zswap has all pages, and the process has all but the last, too.
		if (get(STORED, "") - start >= 512 && get("/proc/self/status", "VmSwap:") == 4)
			break;
		if (try == 50)
			return -1;
	}
	memset(p, 2, SIZE - 4096);
	madvise(p, SIZE - 4096, MADV_COLD);	// makes single pages of the folio
	memset(p, byte, SIZE - 4096);
	madvise(p, SIZE - 4096, MADV_PAGEOUT);
	// Other pages make zswap write what it has to the disk.
	memset(other, 3, OTHER * 4096);
	put("/cg/a/memory.zswap.max", "4096");
	for (int i = 0; i < OTHER; i++)
		madvise(other + i * 4096, 4096, MADV_PAGEOUT);
	for (long i = 0; i < SIZE - 4096; i += 4096)
		bad += p[i] == 1;
	munmap(p, SIZE), munmap(other, OTHER * 4096);
	return bad;
}

int main(void)
{
	long two, zero;

	mkdir("/cg", 0700);
	if (mount("none", "/cg", "cgroup2", 0, 0) || put("/cg/cgroup.subtree_control", "+memory") || mkdir("/cg/a", 0700) || put("/cg/a/cgroup.procs", "0"))
		return perror("cgroup2"), 2;
	if (put("/sys/module/zswap/parameters/enabled", "Y"))
		return perror("zswap"), 2;
	two = old(2), zero = old(0);
	if (two || zero < 0)
		return printf("cannot be run: %ld %ld\n", two, zero), 2;
	if (!zero)
		return puts("ok"), 0;
	printf("BROKEN: %ld pages that were set to 0 have the bytes that they had before (of those set to 2: %ld)\n", zero, two);
	return 1;
}
