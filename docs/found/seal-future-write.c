// Expected: after F_SEAL_FUTURE_WRITE, only "shared writable mappings that were created prior to the seal"
// can modify a file (fcntl(2)).
// Linux 7.3.4: a mapping that was read-only when the seal was set can be made writable, and mremap makes a
// new writable mapping of the file. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(void)
{
	int file = memfd_create("memory", MFD_ALLOW_SEALING), busy, more;
	char text[8] = "", *p, *q;

	if (ftruncate(file, 4096) || pwrite(file, "old", 4, 0) != 4)
		return perror("memfd"), 2;
	p = mmap(0, 4096, PROT_READ, MAP_SHARED, file, 0);
	busy = fcntl(file, F_ADD_SEALS, F_SEAL_WRITE) && errno == EBUSY; // as this mapping can become writable
	if (!busy || fcntl(file, F_ADD_SEALS, F_SEAL_FUTURE_WRITE))
		return perror("seals"), 2;
	if (mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) != MAP_FAILED || write(file, "x", 1) == 1)
		return puts("the seal does nothing"), 1;
	if (mprotect(p, 4096, PROT_READ | PROT_WRITE))
		return puts("ok"), 0;
	strcpy(p, "new");
	q = mremap(p, 0, 4096, MREMAP_MAYMOVE);
	more = q != MAP_FAILED;
	pread(file, text, 4, 0);
	printf("BROKEN: after the seal, the process has made %d writable mappings, and the file contains '%s'\n", 1 + more, text);
	return 1;
}
