// Expected: what a process has written to its memory stays there, whatever its child does with its copy.
// Linux 7.3.4: the copy that MADV_UNMERGEABLE makes of a page of KSM is not dirty. MADV_FREE in a child
// then gives up the page that it shares with its parent, and reclaim throws away what the parent has
// written. Needs CONFIG_KSM and root (for KSM). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#define KSM "/sys/kernel/mm/ksm/"
#define SIZE (16 * 4096)

static void set(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		perror(path), exit(2);
	close(fd);
}

// Writes to memory, has it merged or not, lets a child free its copy, and returns how many pages are lost.
static int lost(int merges)
{
	char *p = mmap(0, 2 * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int pages = 0;

	for (int i = 0; i < 32; i++)
		memset(p + i * 4096, i % 16 + 1, 4096);
	if (merges) {
		madvise(p, 2 * SIZE, MADV_MERGEABLE);
		sleep(3);
		if (madvise(p, 2 * SIZE, MADV_UNMERGEABLE))
			return perror("MADV_UNMERGEABLE"), -1;
	}
	if (!fork()) {
		madvise(p, 2 * SIZE, MADV_FREE);
		_exit(0);
	}
	wait(0);
	madvise(p, 2 * SIZE, MADV_PAGEOUT);
	for (int i = 0; i < 32; i++)
		pages += p[i * 4096] != i % 16 + 1;
	return pages;
}

int main(void)
{
	int plain, unmerged;

	set(KSM "pages_to_scan", "1000");
	set(KSM "sleep_millisecs", "20");
	set(KSM "run", "1");
	plain = lost(0), unmerged = lost(1);
	set(KSM "run", "0");
	if (plain || unmerged < 0)
		return 2;
	printf(unmerged ? "BROKEN: %d of 32 pages have lost what the parent has written, after MADV_FREE in a child\n" : "ok\n", unmerged);
	return unmerged > 0;
}
