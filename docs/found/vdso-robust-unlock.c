// Expected: a signal changes no memory except the stack (signal(7)). Linux 7.3.4: after munmap of the
// vDSO, the kernel still takes code at two of its addresses for the unlock of a robust futex, and stores
// 0 at the address in rdx. Needs CONFIG_RSEQ. cc -static
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

static long victim;

static void handler(int signal, siginfo_t *info, void *context) // ends the loop: jumps behind it
{
	(void)signal, (void)info, ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
}

static long spin(char *at) // spins there until a signal comes, with ZF set and rdx = &victim
{
	victim = 1234;
	memcpy(at, "\xeb\xfe\xc3", 3); // jmp .; ret
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 0 }, { 0, 50000 } }, 0);
	asm volatile("sub $128, %%rsp; xor %%eax, %%eax; call *%1; add $128, %%rsp" ::"d"(&victim), "r"(at) : "rax", "memory", "cc");
	return victim;
}

int main(void)
{
	char *vdso = (char *)getauxval(AT_SYSINFO_EHDR), *unlock = memmem(vdso, 8192, "\xf0\x0f\xb1", 3), *page;
	long twin, found;

	if (!unlock)
		return puts("cannot be run: no unlock in the vDSO"), 2;
	sigaction(SIGALRM, &(struct sigaction){ .sa_sigaction = handler, .sa_flags = SA_SIGINFO }, 0);
	unlock += 4; // behind lock cmpxchg %ecx, (%rdi)
	if (munmap(vdso, 8192))
		return perror("munmap of the vDSO"), 2;
	page = mmap(vdso, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	twin = spin(page + 16), found = spin(unlock);
	printf(twin != 1234 ? "the twin fails\n" : found != 1234 ? "BROKEN: a signal has changed a variable of the program from 1234 to %ld\n" : "ok\n", found);
	return twin != 1234 ? 2 : found != 1234;
}
