// Expected: a core dump has the contents of memory.
// Linux 7.3.4: it has zeros for a huge page on a device. Small pages on a device are there. Needs
// CONFIG_COREDUMP, CONFIG_TEST_HMM, CONFIG_TRANSPARENT_HUGEPAGE and root. cc -static
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define AT ((char *)0x700000000000)
static char mirror[HUGE], dumped[HUGE];

// A child moves 2 MiB to the device and dumps core. Returns how many of the pages the dump has.
static int in_dump(int advice)
{
	int count = 0, file, status;
	Elf64_Ehdr head;
	Elf64_Phdr part;

	unlink("core");
	if (!fork()) {
		int dmirror = open("/dev/hmm_dmirror0", O_RDWR);
		mmap(AT, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		madvise(AT, HUGE, advice);
		memset(AT, 1, HUGE);
		if (ioctl(dmirror, _IOWR('H', 2, long[5]), (long[5]){ (long)AT, (long)mirror, 512 })) // migrate to the device
			_exit(2);
		abort();
	}
	wait(&status);
	file = open("core", O_RDONLY);
	if (!WIFSIGNALED(status) || pread(file, &head, sizeof(head), 0) != sizeof(head))
		puts("cannot be run: no device, or no core dump"), _exit(2);
	for (int i = 0; i < head.e_phnum; i++)
		if (pread(file, &part, sizeof(part), head.e_phoff + i * sizeof(part)) == sizeof(part) && part.p_vaddr == (long)AT)
			pread(file, dumped, HUGE, part.p_offset);
	for (int i = 0; i < HUGE; i += 4096)
		count += dumped[i], dumped[i] = 0;
	return count;
}

int main(void)
{
	setrlimit(RLIMIT_CORE, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY });
	int small = in_dump(MADV_NOHUGEPAGE), huge = in_dump(MADV_HUGEPAGE);
	printf(small == 512 && !huge ? "BROKEN: a core dump has %d of 512 small pages on a device, and %d if they are one huge page\n" : "ok\n", small, huge);
	return small == 512 && !huge;
}
