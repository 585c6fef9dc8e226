// Expected: after PR_SET_MDWE, no new memory is writable and executable (PR_SET_MDWE(2const)).
// Linux 7.3.4: if PT_GNU_STACK of a file asks for an executable stack, execve gives one. cc -static
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

static const unsigned char code[] = { 0xb8, 7, 0, 0, 0, 0xc3 }; // return 7
static char file[4 << 20];

// Runs code in the stack of a process in which PR_SET_MDWE holds.
static int second(void)
{
	unsigned char stack[sizeof(code)];

	if (prctl(66 /* PR_GET_MDWE */, 0, 0, 0, 0) != 1 || mmap(0, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
		return puts("no PR_SET_MDWE after execve"), 2;
	memcpy(stack, code, sizeof(code));
	__asm__ volatile("" : : "r"(stack) : "memory");
	if (((int (*)(void))stack)() != 7)
		return 2;
	return puts("BROKEN: the stack is writable and executable, after PR_SET_MDWE and execve; mmap fails"), 1;
}

int main(int argc, char **argv)
{
	char *args[] = { argv[0], "again", 0 }, *environment[] = { 0 };
	int copy = memfd_create("copy", 0);
	ssize_t size = read(open("/proc/self/exe", O_RDONLY), file, sizeof(file));
	Elf64_Ehdr *header = (void *)file;
	Elf64_Phdr *segments = (void *)(file + header->e_phoff);

	if (argc > 1)
		return second();
	for (int i = 0; i < header->e_phnum; i++)
		if (segments[i].p_type == PT_GNU_STACK)
			segments[i].p_flags |= PF_X;
	if (write(copy, file, size) != size || prctl(65 /* PR_SET_MDWE */, 1 /* PR_MDWE_REFUSE_EXEC_GAIN */, 0, 0, 0))
		return perror("PR_SET_MDWE"), 2;
	if (!fork())
		fexecve(copy, args, environment), puts("ok"), _exit(0);
	return sleep(1), 1;
}
