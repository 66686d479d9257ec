/* Loaded before the C library: refuses what a system may refuse, as long as a file says so.
 * SALUT_REFUSE names that file. A letter in it: u = sends to port 5353 are unreachable,
 * b = every other one finds no room, n = no netlink socket. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int refused(char what) {
    char said[8] = {0};
    const char *path = getenv("SALUT_REFUSE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return 0;
    ssize_t length = read(file, said, sizeof said - 1);
    close(file);
    return length > 0 && strchr(said, what) != NULL;
}

ssize_t sendto(int fd, const void *data, size_t length, int flags, const struct sockaddr *to, socklen_t size) {
    static ssize_t (*real)(int, const void *, size_t, int, const struct sockaddr *, socklen_t);
    static int sends;
    if (!real) real = dlsym(RTLD_NEXT, "sendto");
    if (to && (to->sa_family == AF_INET || to->sa_family == AF_INET6)
        && ((const struct sockaddr_in *)to)->sin_port == htons(5353)) {
        errno = refused('u') ? EHOSTUNREACH : refused('b') && sends++ % 2 == 0 ? ENOBUFS : 0;
        if (errno) return -1;
    }
    return real(fd, data, length, flags, to, size);
}

int socket(int domain, int type, int protocol) {
    static int (*real)(int, int, int);
    if (!real) real = dlsym(RTLD_NEXT, "socket");
    if (domain == AF_NETLINK && refused('n')) {
        errno = EACCES;
        return -1;
    }
    return real(domain, type, protocol);
}
