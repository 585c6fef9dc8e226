// Expected: if a process dies that has locked a robust mutex, the next one gets EOWNERDEAD (robust-futexes.rst,
// pthread_mutexattr_setrobust(3)). It does so after SIGKILL (the control).
// Linux 7.3.4: process_mrelease after SIGKILL takes the memory away that holds the list of the locked mutexes, before
// the process has unlocked them. Who waits for the mutex waits for ever. (The OOM killer leaves 2 s for that.)
// Needs no privileges. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifndef SYS_process_mrelease
#define SYS_process_mrelease 448
#endif

static long released;

// A process locks a mutex and is killed while another process waits. Returns what the other process gets in 10 s.
static int run(int release)
{
	pthread_mutex_t *mutex = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct sched_param idle = {};
	pthread_mutexattr_t attr;
	pid_t owner, waiter;
	int fd, status, ended = 0;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED), pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(mutex, &attr);
	owner = fork();
	if (!owner) {
		pthread_mutex_lock(mutex), sched_setscheduler(0, SCHED_IDLE, &idle);
		for (;;)
			pause();
	}
	sleep(1);
	waiter = fork();
	if (!waiter)
		_exit(pthread_mutex_lock(mutex)); // waits without a time limit
	sleep(1);
	fd = syscall(SYS_pidfd_open, owner, 0);
	kill(owner, SIGKILL);
	if (release)
		released = syscall(SYS_process_mrelease, fd, 0) ? errno : 0;
	waitpid(owner, 0, 0);
	for (int i = 0; i < 100 && !ended; i++)
		usleep(100000), ended = waitpid(waiter, &status, WNOHANG);
	if (!ended)
		kill(waiter, SIGKILL), waitpid(waiter, 0, 0);
	return ended ? WEXITSTATUS(status) : -1;
}

int main(void)
{
	cpu_set_t one = {};

	CPU_SET(0, &one), sched_setaffinity(0, sizeof(one), &one); // the owner does not run in between
	int twin = run(0), result = run(1);

	if (twin != EOWNERDEAD || released)
		return printf("cannot be run: without process_mrelease, the mutex gives %d; process_mrelease says %ld\n", twin, released), 2;
	if (result == EOWNERDEAD)
		return puts("ok"), 0;
	printf("BROKEN: after process_mrelease, a process still waits after 10 s for a robust mutex of a dead process (%d); without it, it gets EOWNERDEAD\n", result);
	return 1;
}
