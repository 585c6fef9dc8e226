// Expected: what was written to a private mapping of a file does not depend on the file.
// Linux 7.3.4: if KSM has replaced a private page of zeros by the zero page, a hole in the file takes
// it away, and later writes to the file show. Needs CONFIG_KSM and root (to run KSM). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define KSM "/sys/kernel/mm/ksm/"

static void set(const char *path, const char *text)
{
	if (write(open(path, O_WRONLY), text, strlen(text)) < 0)
		perror(path);
}

// Writes zeros to a private page, then changes the file. Returns what the private page contains.
static int private(int merges)
{
	int memory = memfd_create("memory", 0);
	char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, memory, 0);

	ftruncate(memory, 4096);
	memset(p, 0, 4096);
	if (merges)
		madvise(p, 4096, MADV_MERGEABLE);
	sleep(3);
	fallocate(memory, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096);
	pwrite(memory, "\7", 1, 0);
	return *p;
}

int main(void)
{
	int before, after;
	set(KSM "use_zero_pages", "1");
	set(KSM "pages_to_scan", "10000");
	set(KSM "run", "1");
	before = private(0), after = private(1);
	set(KSM "run", "0");
	printf(before == after ? "ok\n" : "BROKEN: a private page of zeros contains %d, which was written to the file after KSM had merged the page\n", after);
	return before != after;
}
