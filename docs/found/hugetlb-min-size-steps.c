// Expected: a hugetlbfs mount with min_size=4M reserves as much if a file shrinks in one step as in three.
// Linux 7.3.4: if it shrinks in one step, the mount keeps a huge page too many. Others cannot have it,
// though it is free. Needs hugetlb and root (to mount, and for nr_hugepages). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#define HUGE (2L << 20)

// Reserves four pages for a file, touches the first, and shrinks the file to that one, in so many steps.
// Returns how many pages of the system are reserved then, and how many others can map.
static int reserved(int steps, int *others)
{
	char text[4096] = "", *p;
	int file;

	mkdir("/tmp/huge", 0755);
	if (mount("none", "/tmp/huge", "hugetlbfs", 0, "size=8M,min_size=4M"))
		return -1;
	file = open("/tmp/huge/file", O_RDWR | O_CREAT, 0600);
	p = mmap(0, 4 * HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (p == MAP_FAILED)
		return -1;
	*p = 1;
	for (int size = 4 - 3 / steps; size > 0; size -= 3 / steps)
		ftruncate(file, size * HUGE);
	pread(open("/proc/meminfo", O_RDONLY), text, sizeof(text) - 1, 0);
	for (*others = 8; *others; --*others) {
		void *q = mmap(0, *others * HUGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

		if (q != MAP_FAILED && !munmap(q, *others * HUGE))
			break;
	}
	munmap(p, 4 * HUGE), close(file), unlink("/tmp/huge/file"), umount("/tmp/huge");
	return atoi(strstr(text, "HugePages_Rsvd:") + 15);
}

int main(void)
{
	int ok = write(open("/proc/sys/vm/nr_hugepages", O_WRONLY), "8", 1) == 1, one, three, others[2];

	three = ok ? reserved(3, &others[1]) : -1, one = ok ? reserved(1, &others[0]) : -1;
	if (one < 0 || three < 0)
		return perror("nr_hugepages, mount, mmap"), 2;
	if (one == three)
		return puts("ok"), 0;
	printf("BROKEN: a mount with min_size=4M uses one huge page, and has %d reserved if its file shrank in one step, %d if in three; others can map %d and %d of 8\n",
	       one, three, others[0], others[1]);
	return 1;
}
