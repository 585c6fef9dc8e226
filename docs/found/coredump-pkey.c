// Expected: a core dump has the contents of memory (twin: memory of PROT_NONE; process_vm_readv).
// Linux 7.3.4: it has zeros for memory with a protection key that denies access at this moment. Needs
// CONFIG_COREDUMP and a CPU with pku. cc -static
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#define LEN (16 * 4096L)
#define AT ((char *)0x700000000000)
static char page[LEN];

// A child denies access to 16 pages by a key, or by mprotect, and dumps core. How many has the dump?
static int in_dump(int by_key)
{
	int count = 0, file, status;
	Elf64_Ehdr head;
	Elf64_Phdr part;

	unlink("core");
	if (!fork()) {
		mmap(AT, LEN, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), memset(AT, 1, LEN);
		if (by_key ? pkey_mprotect(AT, LEN, PROT_READ | PROT_WRITE, pkey_alloc(0, PKEY_DISABLE_ACCESS)) : mprotect(AT, LEN, PROT_NONE))
			_exit(2);
		abort();
	}
	wait(&status), file = open("core", O_RDONLY);
	if (!WIFSIGNALED(status) || pread(file, &head, sizeof(head), 0) != sizeof(head))
		return -1;
	for (int i = 0; i < head.e_phnum; i++)
		if (pread(file, &part, sizeof(part), head.e_phoff + i * sizeof(part)) == sizeof(part) && part.p_vaddr == (long)AT)
			pread(file, page, LEN, part.p_offset);
	for (int i = 0; i < LEN; i += 4096)
		count += page[i], page[i] = 0;
	return close(file), count;
}

int main(void)
{
	setrlimit(RLIMIT_CORE, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY });
	int none = in_dump(0), key = in_dump(1);
	printf(none < 0 || key < 0 ? "cannot be run: no core dump, or no protection keys\n" : key < none ? "BROKEN: of 16 pages, a core dump has %d if a protection key denies access, %d of PROT_NONE\n" : "ok\n", key, none);
	return none < 0 || key < 0 ? 2 : key < none;
}
