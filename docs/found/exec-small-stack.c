// Expected: execve takes 32 pages of arguments, however low RLIMIT_STACK is (execve(2): "guaranteed").
// The twin: RLIMIT_STACK of 256 kB. Linux 7.3.4: E2BIG if the arguments exceed RLIMIT_STACK.
// cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

// What execve with 100 kB of arguments says, 0 if it succeeds.
static int run(long stack)
{
	static char text[100 << 10];
	struct rlimit limit = { stack, stack };
	int status;

	if (!fork()) {
		memset(text, 'a', sizeof(text) - 1);
		if (!setrlimit(RLIMIT_STACK, &limit))
			execve("/proc/self/exe", (char *[]) { "x", text, 0 }, (char *[]) { 0 });
		_exit(errno);
	}
	wait(&status);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int main(int argc, char **argv)
{
	int twin, small;

	(void)argv;
	if (argc > 1)
		return 0;
	twin = run(256 << 10);
	small = run(64 << 10);
	if (twin)
		return printf("execve: %s\n", strerror(twin)), 2;
	printf(small ? "BROKEN: execve with 100 kB of arguments and RLIMIT_STACK of 64 kB: %s\n" : "ok\n", strerror(small));
	return !!small;
}
