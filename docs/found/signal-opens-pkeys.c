// Expected: a signal does not change the rights of the interrupted code to protection keys (pkeys(7): they
// come back when the handler returns). Linux 7.3.4: if the frame of a signal fits on the stack in part only,
// SIGSEGV follows, and after its handler the thread has access to the memory of all keys. In the twins, the
// whole frame fits, or nothing does. cc -static
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
static char *stack, alternate[65536], *secret;
static volatile int segv, usr1;

static void handler(int number)
{
	if (number == SIGSEGV)
		segv++;
	else
		usr1++;
}

static unsigned rights(long room) // those after a signal on a stack with so many bytes
{
	long pid = getpid(), unused;

	segv = usr1 = 0;
	asm volatile("mov %%rsp, %%r12; mov %[sp], %%rsp; syscall; mov %%r12, %%rsp"
		     : "=a"(unused) : "a"(62l /* kill */), "D"(pid), "S"((long)SIGUSR1), [sp] "b"(stack + 65536 + room)
		     : "rcx", "r11", "r12", "memory");
	unsigned pkru, edx;
	asm volatile("rdpkru" : "=a"(pkru), "=d"(edx) : "c"(0));
	return pkru;
}

int main(void)
{
	int pkey = pkey_alloc(0, PKEY_DISABLE_ACCESS);

	stack = mmap(0, 131072, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	secret = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(stack, 65536, PROT_NONE);
	if (pkey < 0 || pkey_mprotect(secret, 4096, PROT_READ | PROT_WRITE, pkey))
		return perror("a protection key"), 2;
	sigaltstack(&(stack_t){ alternate, 0, sizeof alternate }, 0);
	sigaction(SIGSEGV, &(struct sigaction){ .sa_handler = handler, .sa_flags = SA_ONSTACK }, 0);
	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = handler }, 0);
	unsigned whole = rights(32768), first = whole, room = 0, found, none = rights(0);
	if (none != whole || !segv)
		return printf("cannot be run: %#x %#x, %d\n", whole, none, segv), 2;
	for (found = whole; found == first && room < 16384; room += 64)
		found = rights(room);
	if (found == first)
		return puts("ok"), 0;
	*secret = 1; // is denied before
	printf("BROKEN: PKRU is %#x before, and %#x after %d SIGSEGV for a signal that has %u bytes of stack; a key that denies access gives access\n", first, found, segv, room - 64);
	return 1;
}
