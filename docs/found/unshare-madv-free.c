// Expected: what a process has written to its memory stays there, whatever its child does with its copy.
// Linux 7.3.4: the copy that MADV_UNMERGEABLE makes of a page of KSM is not dirty. MADV_FREE in a child
// then gives up the page that it shares with its parent, and reclaim throws away what the parent has
// written. Needs CONFIG_KSM and root (for KSM). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#define SIZE (32 * 4096)

static void ksm(const char *path, const char *text)
{
	if (write(open(path, O_WRONLY), text, strlen(text)) < 0)
		perror(path), _exit(2);
}

// Writes to memory, has it merged or not, lets a child free its copy, and returns how many pages are lost.
static int lost(int merges)
{
	char *p = memset(mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 7, SIZE);
	int pages = 0;

	if (merges && (madvise(p, SIZE, MADV_MERGEABLE) || sleep(3) || madvise(p, SIZE, MADV_UNMERGEABLE)))
		return perror("MADV_UNMERGEABLE"), 0;
	if (!fork())
		_exit(madvise(p, SIZE, MADV_FREE));
	wait(0);
	madvise(p, SIZE, MADV_PAGEOUT);
	for (int i = 0; i < SIZE; i += 4096)
		pages += p[i] != 7;
	return pages;
}

int main(void)
{
	ksm("/sys/kernel/mm/ksm/pages_to_scan", "1000");
	ksm("/sys/kernel/mm/ksm/run", "1");
	int plain = lost(0), unmerged = lost(1);
	printf(unmerged ? "BROKEN: %d of 32 pages have lost what the parent has written, after MADV_FREE in a child; %d without KSM\n" : "ok\n", unmerged, plain);
	return unmerged > 0;
}
