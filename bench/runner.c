// Runs commands and tells what each cost, adding as little as it can itself.
//
//   runner serial|parallel < JOBS
//
// A job is a line of fields between tabs: LABEL STDIN STDOUT COUNT VARIABLE{COUNT} COMMAND ARGUMENT…
// A line for each job comes back: LABEL, microseconds from its start to its end, its and its children's peak memory in
// KiB, its exit status. `parallel` starts all of them first and ends with the line `all` and the time to the last end.

#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_FIELDS = 64, MOST_JOBS = 4096 };

struct job {
  char *label, *input, *output;
  char *environment[MOST_FIELDS], *command[MOST_FIELDS];
  pid_t pid;
  long long start;
};

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static _Noreturn void fail(const char *what) {
  fprintf(stderr, "runner: %s\n", what);
  exit(1);
}

static void parse(char *line, struct job *job) {
  char *fields[MOST_FIELDS];
  int count = 0;
  for (char *field; (field = strsep(&line, "\t")); fields[count++] = field)
    if (count == MOST_FIELDS) fail("too many fields");
  if (count < 5) fail("want LABEL STDIN STDOUT COUNT VARIABLE… COMMAND…");
  int variables = atoi(fields[3]);
  if (variables < 0 || 4 + variables >= count) fail("no command");
  *job = (struct job){.label = fields[0], .input = fields[1], .output = fields[2]};
  memcpy(job->environment, fields + 4, variables * sizeof *fields);
  memcpy(job->command, fields + 4 + variables, (count - 4 - variables) * sizeof *fields);
}

static void start(struct job *job) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, job->input, O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, job->output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  job->start = now();
  int error = posix_spawn(&job->pid, job->command[0], &actions, NULL, job->command, job->environment);
  if (error) {
    fprintf(stderr, "runner: %s: %s\n", job->command[0], strerror(error));
    exit(1);
  }
  posix_spawn_file_actions_destroy(&actions);
}

static void report(const struct job *job, long long end, int status, const struct rusage *usage) {
  int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  printf("%s\t%.1f\t%ld\t%d\n", job->label, (end - job->start) / 1000.0, usage->ru_maxrss, code);
}

static void run_serially(char *line) {
  struct job job;
  int status;
  struct rusage usage;
  parse(line, &job);
  start(&job);
  if (wait4(job.pid, &status, 0, &usage) < 0) fail("wait");
  report(&job, now(), status, &usage);
  // Whoever asks may wait for this answer before asking the next.
  fflush(stdout);
}

static void run_together(struct job *jobs, int count) {
  long long first = now(), last = first;
  for (int i = 0; i < count; i++) start(&jobs[i]);
  for (int left = count; left; left--) {
    int status;
    struct rusage usage;
    pid_t pid = wait4(-1, &status, 0, &usage);
    if (pid < 0) fail("wait");
    last = now();
    for (int i = 0; i < count; i++)
      if (jobs[i].pid == pid) report(&jobs[i], last, status, &usage);
  }
  printf("all\t%.1f\t0\t0\n", (last - first) / 1000.0);
}

int main(int count, char **arguments) {
  if (count != 2) fail("want serial or parallel");
  int together = !strcmp(arguments[1], "parallel"), jobs_read = 0;
  struct job *jobs = together ? calloc(MOST_JOBS, sizeof *jobs) : NULL;
  char *line = NULL;
  size_t size = 0;
  for (ssize_t length; (length = getline(&line, &size, stdin)) > 0;) {
    if (line[length - 1] == '\n') line[length - 1] = 0;
    if (!together) {
      run_serially(line);
    } else {
      if (jobs_read == MOST_JOBS) fail("too many jobs");
      parse(strdup(line), &jobs[jobs_read++]);
    }
  }
  if (together) run_together(jobs, jobs_read);
  return 0;
}
