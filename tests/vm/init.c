// SPDX-License-Identifier: MIT
/*
 * PID 1 of a lab guest.  The host's root is mounted read-only over 9p with a
 * tmpfs above it, so the command sees the host's files at the same paths and
 * cannot change them.
 *
 * The run directory (kernel argument lab.dir=) holds what to run: argv, env
 * and cwd, NUL-separated as the kernel would pass them.  Three virtio-serial
 * ports carry stdout, stderr and the verdict; "ctl", present in a pair, is the
 * barrier between the guests.  The verdict is written last, after leftover
 * processes were stopped and the kernel log was read, and exactly once.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <regex.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define MAX_ARGS 4096
#define MAX_PATTERNS 64
/* The host, too, reads the log from here on; <4> is shown on the console. */
#define MARKER "<4>lab: marker"

static char *run_dir;
static char *modules_dir;
static char *role; /* "single", "client", "server" or "shell" */
static int ready_port; /* server: wait until something listens here */
static int kmsg = -1;
static int ctl = -1;

static void say(const char *fmt, ...)
{
	char buf[512];
	va_list ap;
	int n;

	n = snprintf(buf, sizeof(buf), "lab: ");
	va_start(ap, fmt);
	n += vsnprintf(buf + n, sizeof(buf) - n - 1, fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(buf) - 2)
		n = sizeof(buf) - 2;
	buf[n++] = '\n';
	if (write(STDERR_FILENO, buf, n) < 0)
		return;
}

static void halt(void)
{
	sync();
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

/* No verdict was written: the host reports 255 and shows the console. */
static void die(const char *what)
{
	say("%s: %s", what, strerror(errno));
	halt();
}

static void must_mount(const char *src, const char *dst, const char *type,
		       unsigned long flags, const char *data)
{
	mkdir(dst, 0755);
	if (mount(src, dst, type, flags, data))
		die(dst);
}

/* Filesystems a kernel may lack. */
static void try_mount(const char *type, const char *dst)
{
	if (mount(type, dst, type, 0, NULL) && errno != ENODEV &&
	    errno != ENOENT && errno != EBUSY)
		die(dst);
}

/* Reads a whole file; NUL-terminated, the caller frees. */
static char *slurp(const char *path, size_t *ret_len)
{
	size_t len = 0, cap = 0;
	char *buf = NULL;
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	do {
		if (cap - len < 4096) {
			cap = cap ? 2 * cap : 8192;
			buf = realloc(buf, cap);
			if (!buf)
				die("realloc");
		}
		n = read(fd, buf + len, cap - len - 1);
		if (n < 0)
			die(path);
		len += n;
	} while (n > 0);
	close(fd);
	buf[len] = '\0';
	if (ret_len)
		*ret_len = len;
	return buf;
}

static char *run_file(const char *name, size_t *ret_len)
{
	char path[PATH_MAX];
	char *text;

	snprintf(path, sizeof(path), "%s/%s", run_dir, name);
	text = slurp(path, ret_len);
	if (!text)
		die(path);
	return text;
}

/* Splits a NUL-separated file into a NULL-terminated vector. */
static char **run_vector(const char *name)
{
	char **vec = calloc(MAX_ARGS + 1, sizeof(*vec));
	size_t len, pos;
	char *text;
	int n = 0;

	text = run_file(name, &len);
	if (!vec)
		die("calloc");
	for (pos = 0; pos < len; pos += strlen(text + pos) + 1) {
		if (n == MAX_ARGS) {
			errno = E2BIG;
			die(name);
		}
		vec[n++] = text + pos;
	}
	return vec;
}

static void parse_cmdline(void)
{
	char *text = slurp("/proc/cmdline", NULL);
	char *word;

	if (!text)
		die("/proc/cmdline");
	for (word = strtok(text, " \n"); word; word = strtok(NULL, " \n")) {
		if (!strncmp(word, "lab.dir=", 8))
			run_dir = word + 8;
		else if (!strncmp(word, "lab.modules=", 12))
			modules_dir = word + 12;
		else if (!strncmp(word, "lab.role=", 9))
			role = word + 9;
		else if (!strncmp(word, "lab.ready=", 10))
			ready_port = atoi(word + 10);
	}
	if (!run_dir || !modules_dir || !role) {
		errno = EINVAL;
		die("kernel arguments");
	}
}

/* The initrd's modules carry their load order in their names. */
static void load_modules(void)
{
	struct dirent **list;
	char path[PATH_MAX];
	int i, n, fd;

	n = scandir("/modules", &list, NULL, alphasort);
	if (n < 0)
		die("/modules");
	for (i = 0; i < n; i++) {
		if (list[i]->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/modules/%s", list[i]->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 ||
		    (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST))
			die(path);
		close(fd);
	}
}

static void enter_root(void)
{
	char path[PATH_MAX];

	must_mount("root", "/lower", "9p", MS_RDONLY,
		   "trans=virtio,version=9p2000.L,cache=loose,msize=512000");
	must_mount("rw", "/rw", "tmpfs", 0, "mode=0755");
	mkdir("/rw/upper", 0755);
	mkdir("/rw/work", 0755);
	must_mount("root", "/new", "overlay", 0,
		   "lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work");

	must_mount("proc", "/new/proc", "proc", 0, NULL);
	must_mount("sys", "/new/sys", "sysfs", 0, NULL);
	must_mount("dev", "/new/dev", "devtmpfs", 0, NULL);
	must_mount("pts", "/new/dev/pts", "devpts", 0, "ptmxmode=0666");
	must_mount("shm", "/new/dev/shm", "tmpfs", 0, "mode=1777");
	must_mount("run", "/new/run", "tmpfs", 0, "mode=0755");
	try_mount("cgroup2", "/new/sys/fs/cgroup");
	try_mount("bpf", "/new/sys/fs/bpf");
	try_mount("debugfs", "/new/sys/kernel/debug");
	try_mount("tracefs", "/new/sys/kernel/tracing");

	/* The modules of this kernel, at the path modprobe looks in. */
	snprintf(path, sizeof(path), "/new%s", modules_dir);
	if (mount(path, "/new/lib/modules", NULL, MS_BIND, NULL)) {
		mkdir("/new/lib/modules", 0755);
		if (mount(path, "/new/lib/modules", NULL, MS_BIND, NULL))
			die(path);
	}

	umount2("/proc", MNT_DETACH);
	if (chdir("/new") || mount(".", "/", NULL, MS_MOVE, NULL) ||
	    chroot(".") || chdir("/"))
		die("switch root");

	if (symlink("/proc/self/fd", "/dev/fd") ||
	    symlink("/proc/self/fd/0", "/dev/stdin") ||
	    symlink("/proc/self/fd/1", "/dev/stdout") ||
	    symlink("/proc/self/fd/2", "/dev/stderr"))
		die("/dev");
}

/*
 * The kernel boots on one processor (maxcpus=1): a second one does not bear
 * that the kernel patches its own text (see qemu.sh), which is over when init
 * starts.
 */
static void start_cpus(void)
{
	char path[PATH_MAX];
	int cpu, fd;

	for (cpu = 1;; cpu++) {
		snprintf(path, sizeof(path),
			 "/sys/devices/system/cpu/cpu%d/online", cpu);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			return;
		if (fd < 0 || write(fd, "1", 1) != 1)
			die(path);
		close(fd);
	}
}

/* Opens a virtio-serial port by its name; udev does not run here. */
static int open_port(const char *name, int flags)
{
	char path[PATH_MAX];
	struct dirent *de;
	char *text;
	DIR *dir;
	int fd = -1;

	dir = opendir("/sys/class/virtio-ports");
	if (!dir)
		return -1;
	while (fd < 0 && (de = readdir(dir))) {
		if (de->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name",
			 de->d_name);
		text = slurp(path, NULL);
		if (text)
			text[strcspn(text, "\n")] = '\0';
		if (text && !strcmp(text, name)) {
			snprintf(path, sizeof(path), "/dev/%s", de->d_name);
			fd = open(path, flags | O_CLOEXEC);
			if (fd < 0)
				die(path);
		}
		free(text);
	}
	closedir(dir);
	return fd;
}

static void write_all(int fd, const char *buf, size_t len)
{
	ssize_t n;

	while (len) {
		n = write(fd, buf, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			die("write to a port");
		buf += n;
		len -= n;
	}
}

/*
 * Children get the pipes as stdout and stderr, not the ports: a port can be
 * opened once only, so /dev/stdout would fail in them.
 */
static pid_t spawn(char **argv, char **env, const char *cwd, int out, int err)
{
	const struct rlimit files = {65536, 65536};
	pid_t pid;
	int fd;

	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid)
		return pid;

	setsid();
	setrlimit(RLIMIT_NOFILE, &files);
	fd = open("/dev/null", O_RDWR);
	if (fd < 0 || dup2(fd, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
		_exit(126);
	if (fd > 2)
		close(fd);
	if (chdir(cwd)) {
		dprintf(2, "lab: cannot enter %s: %s\n", cwd, strerror(errno));
		_exit(126);
	}
	environ = env;
	execvp(argv[0], argv);
	dprintf(2, "lab: cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static int exit_code(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status)
				   : WEXITSTATUS(status);
}

static void setup(char **env)
{
	char *argv[] = {"/bin/bash", NULL, NULL};
	int status;
	pid_t pid;

	argv[1] = run_file("setup", NULL);
	pid = spawn(argv, env, "/", STDERR_FILENO, STDERR_FILENO);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid");
	if (status) {
		say("setup ended with status %d", exit_code(status));
		halt();
	}
}

/* True if a TCP socket of either family listens on @port. */
static bool listening(int port)
{
	static const char *const tables[] = {"/proc/net/tcp", "/proc/net/tcp6"};
	unsigned int local, state;
	char *text, *line;
	bool found = false;
	size_t i;

	for (i = 0; i < 2; i++) {
		text = slurp(tables[i], NULL);
		if (!text)
			continue;
		for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
			if (sscanf(line,
				   " %*d: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x",
				   &local, &state) == 2 &&
			    local == (unsigned int)port && state == 0x0a)
				found = true;
		free(text);
	}
	return found;
}

struct flow {
	int from;
	int to;
};

static void copy_some(struct flow *flow)
{
	static char buf[65536];
	ssize_t n;

	n = read(flow->from, buf, sizeof(buf));
	if (n > 0) {
		write_all(flow->to, buf, n);
	} else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
		close(flow->from);
		flow->from = -1;
	}
}

/*
 * Runs the command to its end and passes its output on.  A server is stopped
 * when the host says so, which makes its status 0: how a server ends on
 * SIGTERM says nothing about the test.
 */
static int run(char **env, int out_port, int err_port)
{
	char **argv = run_vector("argv");
	char *cwd = run_file("cwd", NULL);
	int out[2], err[2], status = 0, rc = -1;
	bool server = !strcmp(role, "server");
	bool told_ready = !server, stopped = false;
	struct flow flows[2];
	struct pollfd fds[3];
	int grace = 0;
	pid_t pid, got;
	char word[16];

	if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		die("pipe");
	pid = spawn(argv, env, cwd, out[1], err[1]);
	close(out[1]);
	close(err[1]);
	flows[0] = (struct flow){out[0], out_port};
	flows[1] = (struct flow){err[0], err_port};

	for (;;) {
		fds[0] = (struct pollfd){flows[0].from, POLLIN, 0};
		fds[1] = (struct pollfd){flows[1].from, POLLIN, 0};
		fds[2] = (struct pollfd){server && !stopped ? ctl : -1, POLLIN,
					 0};
		poll(fds, 3, 20);
		if (fds[0].revents)
			copy_some(&flows[0]);
		if (fds[1].revents)
			copy_some(&flows[1]);
		if (fds[2].revents & POLLIN &&
		    read(ctl, word, sizeof(word)) > 0) {
			stopped = true;
			kill(-pid, SIGTERM);
		}

		while ((got = waitpid(-1, &status, WNOHANG)) > 0)
			if (got == pid)
				rc = exit_code(status);
		if (!told_ready &&
		    (rc >= 0 || !ready_port || listening(ready_port))) {
			told_ready = true;
			write_all(ctl, "ready\n", 6);
		}
		if (rc >= 0 && (!server || stopped))
			break;
		if (stopped && ++grace > 250) {
			kill(-pid, SIGKILL);
			rc = 0;
			break;
		}
	}

	/* Leftover processes hold the pipes open. */
	kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	while (flows[0].from >= 0)
		copy_some(&flows[0]);
	while (flows[1].from >= 0)
		copy_some(&flows[1]);
	return server && stopped && rc >= 128 ? 0 : rc;
}

/* Compiles the splat patterns: one extended regex a line, # comments. */
static int load_patterns(regex_t *re)
{
	char *text = run_file("patterns", NULL);
	char *line;
	int n = 0;

	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (line[0] == '#')
			continue;
		if (n == MAX_PATTERNS ||
		    regcomp(&re[n++], line, REG_EXTENDED | REG_NOSUB)) {
			errno = EINVAL;
			die(line);
		}
	}
	return n;
}

/* Counts splats in the kernel log since kmsg was opened. */
static int scan_log(void)
{
	regex_t re[MAX_PATTERNS];
	int i, n, splats = 0;
	char rec[8192];
	ssize_t len;
	char *msg;

	n = load_patterns(re);
	for (;;) {
		len = read(kmsg, rec, sizeof(rec) - 1);
		if (len < 0 && errno == EPIPE) {
			say("the kernel log overran");
			splats++;
			continue;
		}
		if (len <= 0)
			break;
		rec[len] = '\0';
		msg = strchr(rec, ';');
		if (!msg)
			continue;
		msg[strcspn(msg, "\n")] = '\0';
		for (i = 0; i < n; i++) {
			if (!regexec(&re[i], msg + 1, 0, NULL, 0)) {
				splats++;
				break;
			}
		}
	}
	return splats;
}

/*
 * Counts what nothing in the kernel points to any more, where kmemleak was
 * configured.  Two scans with a pause: an object may be in a register, or
 * on its way to the allocator, during one of them.  A kmemleak that has given
 * up (it does when it finds no memory for itself) counts as a leak.
 */
static int count_leaks(void)
{
	static const char *file = "/sys/kernel/debug/kmemleak";
	static char buf[65536];
	int leaks = 0, fd;
	FILE *f;

	fd = open(file, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return 0;
	for (int i = 0; i < 2; i++) {
		sleep(6); /* kmemleak leaves alone what is younger than 5 s */
		if (write(fd, "scan", 4) != 4) {
			say("kmemleak does not scan: %s", strerror(errno));
			leaks++;
			break;
		}
	}
	close(fd);
	f = fopen(file, "r");
	if (!f)
		return 0;
	while (fgets(buf, sizeof(buf), f)) {
		if (!strncmp(buf, "unreferenced object", 19))
			leaks++;
		buf[strcspn(buf, "\n")] = '\0';
		say("%s", buf);
	}
	fclose(f);
	return leaks;
}

static void shell(char **env)
{
	char *argv[] = {"/bin/bash", NULL};
	pid_t pid;
	int fd;

	setup(env);
	pid = fork();
	if (!pid) {
		setsid();
		fd = open("/dev/ttyS0", O_RDWR);
		if (fd < 0 || ioctl(fd, TIOCSCTTY, 0) || dup2(fd, 0) < 0 ||
		    dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
			_exit(126);
		environ = env;
		if (chdir(run_file("cwd", NULL)))
			say("cwd: %s", strerror(errno));
		execvp(argv[0], argv);
		_exit(127);
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	halt();
}

int main(void)
{
	int out_port, err_port, verdict, rc, splats, leaks, fd;
	char line[64], word[16];
	char **env;

	if (getpid() != 1)
		return 1;
	signal(SIGPIPE, SIG_IGN);
	umask(022);
	must_mount("dev", "/dev", "devtmpfs", 0, NULL);
	must_mount("proc", "/proc", "proc", 0, NULL);
	fd = open("/dev/console", O_RDWR);
	if (fd < 0 || dup2(fd, 0) < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		halt();
	if (fd > 2)
		close(fd);

	parse_cmdline();
	load_modules();
	enter_root();
	start_cpus();
	sethostname(role, strlen(role));
	env = run_vector("env");
	if (!strcmp(role, "shell"))
		shell(env);

	out_port = open_port("lab.out", O_WRONLY);
	err_port = open_port("lab.err", O_WRONLY);
	verdict = open_port("lab.verdict", O_WRONLY);
	ctl = open_port("lab.ctl", O_RDWR);
	if (out_port < 0 || err_port < 0 || verdict < 0) {
		errno = ENODEV;
		die("virtio ports");
	}
	kmsg = open("/dev/kmsg", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (kmsg < 0 || lseek(kmsg, 0, SEEK_END) < 0)
		die("/dev/kmsg");
	/* Not dprintf(): stdio seeks, which this device refuses. */
	write_all(kmsg, MARKER, strlen(MARKER));

	setup(env);
	if (!strcmp(role, "client")) {
		write_all(ctl, "ready\n", 6);
		if (read(ctl, word, sizeof(word)) <= 0)
			die("barrier");
	}
	rc = run(env, out_port, err_port);
	leaks = count_leaks();
	splats = scan_log();

	/* Ports are drained when close() returns; the verdict comes last. */
	close(out_port);
	close(err_port);
	snprintf(line, sizeof(line), "done rc=%d splats=%d leaks=%d\n", rc,
		 splats, leaks);
	write_all(verdict, line, strlen(line));
	close(verdict);
	halt();
}
