/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "web.h"

#include "base/macro.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <openssl/ssl.h>

/* A connection that was taken. */
struct peer {
	struct web *web;
	int fd;
	SSL *ssl; /* NULL: plain */
};

/* Wait for @events of @fd, if any, at most @ms; false when the server is to stop. */
static bool wait_for(struct web *web, int fd, short events, int ms)
{
	struct pollfd fds[] = {{.fd = web->stop, .events = POLLIN}, {.fd = fd, .events = events}};

	poll(fds, 2, ms);
	return fds[0].revents == 0;
}

static ssize_t peer_read(struct peer *peer, char *data, size_t size)
{
	if (peer->ssl && SSL_pending(peer->ssl) > 0)
		return SSL_read(peer->ssl, data, (int)size);
	if (!wait_for(peer->web, peer->fd, POLLIN, -1))
		return -1;
	return peer->ssl ? SSL_read(peer->ssl, data, (int)size) : read(peer->fd, data, size);
}

static bool peer_write(struct peer *peer, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = peer->ssl ? SSL_write(peer->ssl, data, (int)size)
				      : send(peer->fd, data, size, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		data += n;
		size -= (size_t)n;
	}
	return true;
}

/* Read head and body of a request into web->request. */
static bool read_request(struct peer *peer)
{
	struct web *web = peer->web;
	size_t wanted = WEB_REQUEST_MAX - 1;

	web->request_size = 0;
	while (web->request_size < wanted) {
		ssize_t n = peer_read(peer, web->request + web->request_size,
				      WEB_REQUEST_MAX - 1 - web->request_size);
		const char *end, *length;

		if (n <= 0)
			return false;
		web->request_size += (size_t)n;
		web->request[web->request_size] = '\0';
		end = strstr(web->request, "\r\n\r\n");
		length = strstr(web->request, "Content-Length: ");
		if (end)
			wanted = (size_t)(end + 4 - web->request) +
				 (length && length < end ? strtoul(length + 16, NULL, 10) : 0);
	}
	web->requests++;
	return true;
}

static bool write_slowly(struct peer *peer, const char *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (!peer_write(peer, data + i, 1) ||
		    !wait_for(peer->web, -1, 0, (int)peer->web->options.pace_ms))
			return false;
	return true;
}

static bool write_answer(struct peer *peer)
{
	const struct web_options *options = &peer->web->options;
	size_t size = options->answer_size > 0 ? options->answer_size : strlen(options->answer);
	cleanup(freep) char *filler = NULL;

	if (options->pace_ms > 0)
		return write_slowly(peer, options->answer, size);
	if (!peer_write(peer, options->answer, size))
		return false;
	filler = malloc(options->filler + 1);
	assert_non_null(filler);
	memset(filler, 'x', options->filler);
	return peer_write(peer, filler, options->filler);
}

static void talk(struct peer *peer)
{
	const struct web_options *options = &peer->web->options;

	if (options->drop)
		return;
	if (options->silent) {
		wait_for(peer->web, -1, 0, -1);
		return;
	}
	if (peer->web->tls) {
		peer->ssl = SSL_new(peer->web->tls);
		SSL_set_fd(peer->ssl, peer->fd);
		if (SSL_accept(peer->ssl) != 1)
			return;
	}
	while (read_request(peer) && write_answer(peer))
		if (options->closes || options->cuts)
			break;
	if (peer->ssl && !options->cuts)
		SSL_shutdown(peer->ssl);
}

/* What the client still sends must not turn our last words into a reset. */
static void linger(struct peer *peer)
{
	char data[4096];

	shutdown(peer->fd, SHUT_WR);
	while (wait_for(peer->web, peer->fd, POLLIN, 2000) &&
	       recv(peer->fd, data, sizeof(data), MSG_DONTWAIT) > 0)
		;
}

static void *serve(void *context)
{
	struct web *web = context;

	while (wait_for(web, web->listener, POLLIN, -1)) {
		struct timeval limit = {.tv_sec = 20};
		struct peer peer = {.web = web};

		peer.fd = accept(web->listener, NULL, NULL);
		if (peer.fd < 0)
			continue;
		/* Nagle's algorithm stays on, as in most servers. */
		setsockopt(peer.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		setsockopt(peer.fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
		web->connections++;
		talk(&peer);
		linger(&peer);
		SSL_free(peer.ssl);
		close(peer.fd);
	}
	return NULL;
}

static void *make_tls(const struct web_options *options)
{
	SSL_CTX *tls;

	if (!options->identity)
		return NULL;
	tls = SSL_CTX_new(TLS_server_method());
	assert_non_null(tls);
	assert_int_equal(SSL_CTX_use_certificate(tls, options->identity->certificate), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(tls, options->identity->key), 1);
	if (options->max_version != 0) {
		SSL_CTX_set_min_proto_version(tls, 0);
		SSL_CTX_set_max_proto_version(tls, options->max_version);
		SSL_CTX_set_security_level(tls, 0);
	}
	if (options->client_ca) {
		X509_STORE_add_cert(SSL_CTX_get_cert_store(tls), options->client_ca->certificate);
		SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	}
	return tls;
}

void web_start(struct web *web, const struct web_options *options)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);

	*web = (struct web){.options = *options};
	signal(SIGPIPE, SIG_IGN);
	web->request = calloc(1, WEB_REQUEST_MAX);
	assert_non_null(web->request);
	web->tls = make_tls(options);
	web->stop = eventfd(0, EFD_CLOEXEC);
	web->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(web->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(web->listener, (struct sockaddr *)&address, &size), 0);
	assert_int_equal(listen(web->listener, 16), 0);
	web->port = ntohs(address.sin_port);
	assert_int_equal(pthread_create(&web->thread, NULL, serve, web), 0);
}

void web_stop(struct web *web)
{
	assert_int_equal(eventfd_write(web->stop, 1), 0);
	pthread_join(web->thread, NULL);
	close(web->listener);
	close(web->stop);
	SSL_CTX_free(web->tls);
	free(web->request);
}
