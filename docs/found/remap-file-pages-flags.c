// Expected: "ABI is preserved" (Documentation/mm/remap_file_pages.rst): remap_file_pages changes which page
// is where, and a child does not get memory with MADV_DONTFORK (madvise(2)).
// Linux 7.3.4: remap_file_pages forgets MADV_DONTFORK and other advice. cc -static
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#define PAGE 4096L

// Whether a child can read the page at p.
static int readable(volatile char *p)
{
	int status;

	if (!fork())
		_exit(0 * *p);
	wait(&status);
	return !status;
}

int main(void)
{
	char *p = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	p[PAGE] = 7;
	if (p == MAP_FAILED || madvise(p, 4 * PAGE, MADV_DONTFORK) || readable(p) || readable(p + PAGE))
		return puts("MADV_DONTFORK"), 2;
	if (remap_file_pages(p, PAGE, 0, 1, 0) || *p != 7 || readable(p + PAGE))
		return puts("remap_file_pages"), 2;
	if (!readable(p))
		return puts("ok"), 0;
	return puts("BROKEN: a child can read a page with MADV_DONTFORK, after remap_file_pages"), 1;
}
