// Expected: PR_MDWE_NO_INHERIT keeps PR_SET_MDWE from children of fork, and "once protection bits are set,
// they can not be changed" (PR_SET_MDWE(2const)).
// Linux 7.3.4: execve removes the protection from the process itself. cc -static
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#define MDWE prctl(66 /* PR_GET_MDWE */, 0, 0, 0, 0)

int main(int argc, char **argv)
{
	char *args[] = { argv[0], "again", 0 };
	int status, no_inherit;

	if (argc > 1)
		return MDWE;
	for (no_inherit = 0; no_inherit < 2; no_inherit++) {
		if (!fork()) {
			if (prctl(65 /* PR_SET_MDWE */, 1 | no_inherit << 1, 0, 0, 0))
				_exit(9);
			if (!prctl(65, 0, 0, 0, 0) || MDWE != (1 | no_inherit << 1))
				_exit(8);
			execv("/proc/self/exe", args);
		}
		wait(&status);
		if (WEXITSTATUS(status) > 3)
			return puts("cannot be run: no PR_SET_MDWE"), 2;
		if (!no_inherit && WEXITSTATUS(status) != 1)
			return 2;
	}
	puts(status ? "ok" : "BROKEN: with PR_MDWE_NO_INHERIT, execve removes PR_MDWE_REFUSE_EXEC_GAIN from the process; without, it stays");
	return !status;
}
