// Expected: a write that fails and writes nothing does not change the size of the file.
// Linux 7.3.4: a write to shared memory behind the end, from a buffer that cannot be read, fails
// with EFAULT, and the memory reaches to where the write would have begun. cc -static
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void)
{
	int memory = memfd_create("memory", 0);
	char *unreadable = mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct stat stat;

	if (pwrite(memory, unreadable, 1, 1 << 20) != -1 || fstat(memory, &stat))
		return puts("the write does not fail"), 2;
	printf(stat.st_size ? "BROKEN: a write has failed, and the size has become %ld\n" : "ok\n", (long)stat.st_size);
	return stat.st_size != 0;
}
