// Expected: after PR_SET_MDWE, no new memory is writable and executable (PR_SET_MDWE(2const)).
// Linux 7.3.4: with the personality READ_IMPLIES_EXEC, brk gives such memory. mmap fails. cc -static
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const unsigned char code[] = { 0xb8, 7, 0, 0, 0, 0xc3 }; // return 7

int main(void)
{
	char *end = (char *)((syscall(SYS_brk, 0L) + 4095) & -4096), *mapped;

	if (prctl(65 /* PR_SET_MDWE */, 1 /* PR_MDWE_REFUSE_EXEC_GAIN */, 0, 0, 0) || personality(READ_IMPLIES_EXEC) < 0)
		return perror("PR_SET_MDWE"), 2;
	mapped = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mapped != MAP_FAILED)
		return puts("mmap has given memory that is writable and executable"), 2;
	if (syscall(SYS_brk, end + 4096) != (long)(end + 4096))
		return puts("ok"), 0;
	memcpy(end, code, sizeof(code));
	if (((int (*)(void))end)() != 7)
		return 2;
	return puts("BROKEN: brk gives memory that is writable and executable, after PR_SET_MDWE; mmap fails"), 1;
}
