// Expected: mlock and mlockall lock memory of PROT_EXEC: "use FOLL_FORCE in case it's not readable (ie
// write-only or executable)" (populate_vma_page_range, mm/gup.c; twin: PROT_READ | PROT_EXEC).
// Linux 7.3.4, CPU with pku: mlock fails, and mlockall locks nothing and says 0. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define LEN (16 * 4096L)

static int present(char *p)
{
	unsigned long entries[16] = { 0 };
	int pagemap = open("/proc/self/pagemap", O_RDONLY), count = 0;

	pread(pagemap, entries, sizeof(entries), (long)p / 4096 * 8), close(pagemap);
	for (int i = 0; i < 16; i++)
		count += entries[i] >> 63;
	return count;
}

int main(void)
{
	int file = memfd_create("code", 0), one, all, key = pkey_alloc(0, PKEY_DISABLE_ACCESS);
	char *exec, *denied, *twin;

	if (key < 0)
		return perror("pkey_alloc"), 2;
	ftruncate(file, LEN), pkey_free(key);
	exec = mmap(0, LEN, PROT_EXEC, MAP_PRIVATE, file, 0);
	twin = mmap(0, LEN, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
	denied = mmap(0, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	key = pkey_alloc(0, PKEY_DISABLE_ACCESS);
	if (pkey_mprotect(denied, LEN, PROT_READ | PROT_WRITE, key))
		return perror("pkey_mprotect"), 2;
	one = mlock(exec, LEN);
	if (one)
		perror("mlock of PROT_EXEC");
	munlock(exec, LEN), all = mlockall(MCL_CURRENT);
	if (all || present(twin) != 16)
		return perror("mlockall"), 2;
	int broken = one || present(exec) != 16 || present(denied) != 16;
	printf(broken ? "BROKEN: mlock of PROT_EXEC says %d; mlockall says %d, and of 16 pages, %d of PROT_EXEC are in memory, %d with a key that denies access, %d of PROT_READ | PROT_EXEC\n" : "ok\n", one, all, present(exec), present(denied), present(twin));
	return broken;
}
