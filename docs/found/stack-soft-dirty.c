// Expected (Documentation/admin-guide/mm/soft-dirty.rst): new and expanded memory regions are
// soft-dirty.
// Linux 7.3.4: pages by which a stack (MAP_GROWSDOWN) grows are not; pages of brk are. Needs
// CONFIG_MEM_SOFT_DIRTY and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#define AT(page) ((char *)0x700000000000 + (page) * 4096L)

static int dirty(char *at)
{
	long entry;
	pread(open("/proc/self/pagemap", O_RDONLY), &entry, 8, (long)at / 4096 * 8);
	return entry >> 55 & 1;
}

int main(void)
{
	unsigned char resident;
	mmap(AT(16), 4096, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);
	sbrk(4096);
	write(open("/proc/self/clear_refs", O_WRONLY), "4", 1);
	(void)*(volatile char *)AT(8); // grows by 8 pages
	char *heap = sbrk(65536) + 32768;
	int broken = !mincore(AT(12), 4096, &resident) && dirty(heap) && !dirty(AT(12)) && !dirty(AT(8));
	return puts(broken ? "BROKEN: pages by which a stack has grown are not soft-dirty, pages of brk are" : "ok"), broken;
}
