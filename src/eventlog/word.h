/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_EVENTLOG_WORD_H
#define CVMROOT_EVENTLOG_WORD_H

#include "eventlog/eventlog.h"

/*
 * The words that cvmroot measures (cvmroot(7), WHAT IS MEASURED). In a PCR "cvmroot:NAME:CONTENT",
 * or "cvmroot:NAME" where there is no content; in an RTMR, by the agent's form "domain operation
 * content", "cvmroot NAME CONTENT" with "-" for no content. Pure.
 */

enum word {
	WORD_CONFIG,	 /* SHA-256 of the configuration in effect, hex */
	WORD_MANIFEST,	 /* SHA-256 of the manifest, hex; when the root was converted */
	WORD_ROOT,	 /* "fresh:epoch=1:provider=tpm2"; fresh, resumed or reopened */
	WORD_VOLUME,	 /* the LUKS UUID */
	WORD_VOLUME_KEY, /* "cryptsetup:root:UUID"; in an RTMR with ":sha384:HEX", its HMAC */
	WORD_LEAVE,	 /* no content: cvmroot has done its work */
	WORD_FAILED,	 /* no content */
	WORD_INITDATA,	 /* digest of the document, hex */
	WORDS,
};

/* "config"; "cvmroot-config", as the log's eventType (of the volume key systemd's "volume-key"). */
const char *word_name(enum word word);
const char *word_event_type(enum word word);

/* What goes into a PCR: for WORD_VOLUME_KEY @content as it is. The caller frees *ret. */
int word_format(enum word word, const char *content, char **ret);
/* The text of the agent's event. */
int word_format_agent(enum word word, const char *content, char **ret);

/*
 * The reverse: which word, and its content (borrowed, not terminated). -ENOENT: it is none of ours.
 * A PCR's volume key is told by its event type, since systemd's looks the same.
 */
int word_parse(const char *event_type, const char *text, size_t size, enum word *ret,
	       const char **ret_content, size_t *ret_content_size);
int word_parse_agent(const char *text, size_t size, enum word *ret, const char **ret_content,
		     size_t *ret_content_size);
/*
 * The same of an event of any log, by its text alone: whether its digest follows from it is another
 * question. A firmware's log may have such an event, where it came as one file with the agent's.
 */
int eventlog_word(const struct eventlog_event *event, enum word *ret, const char **ret_content,
		  size_t *ret_content_size);

#endif
