// Expected: the size of a memfd with the seal F_SEAL_GROW cannot be increased (fcntl(2)), and a
// descriptor that is open for reading does not change a file.
// Linux 7.3.4: mmap of more than the file sets the size of a hugetlb file, in spite of the seal, and
// also through a descriptor for reading. Needs hugetlb and root (for nr_hugepages). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#define HUGE (2L << 20)

// Returns the size of a memfd of a huge page, in huge pages, after twice as much was mapped.
static long grown(int flags, int seals)
{
	char path[64];
	struct stat stat;
	int memory = memfd_create("memory", MFD_ALLOW_SEALING | flags), reader;

	sprintf(path, "/proc/self/fd/%d", memory);
	if (memory < 0 || ftruncate(memory, HUGE) || (reader = open(path, O_RDONLY)) < 0)
		return perror("memfd"), -1;
	if (seals && fcntl(memory, F_ADD_SEALS, seals))
		return perror("F_ADD_SEALS"), -1;
	mmap(0, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, reader, 0);
	fstat(memory, &stat);
	return stat.st_size / HUGE;
}

int main(void)
{
	int pool = open("/proc/sys/vm/nr_hugepages", O_WRONLY), ok = write(pool, "8", 1) == 1;
	long small = grown(0, F_SEAL_GROW), reader = grown(MFD_HUGETLB, 0), sealed = grown(MFD_HUGETLB, F_SEAL_GROW | F_SEAL_WRITE);

	if (!ok || small != 1 || reader < 0 || sealed < 0)
		return 2;
	printf(reader > 1 || sealed > 1 ? "BROKEN: mmap through a descriptor for reading makes a hugetlb file %ld times as large; "
	       "if the file has F_SEAL_GROW, mmap makes it %ld times as large\n" : "ok\n", reader, sealed);
	return reader > 1 || sealed > 1;
}
