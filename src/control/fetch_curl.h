/* fetch_curl: what every request that libcurl makes for us has in common. Within control/ only, any
 * thread. */
#ifndef CONTROL_FETCH_CURL_H
#define CONTROL_FETCH_CURL_H

#include <curl/curl.h>

#include "base/text.h"

/* The proxy that the environment names for such a URL; libcurl by itself would read other variables
 * than those which count for providers. */
void fetch_set_proxy(CURL *curl, struct text url);
/* Peers are verified by the same certificates as providers are: OpenSSL's own, or those that
 * SSL_CERT_FILE and SSL_CERT_DIR name. */
void fetch_set_trust(CURL *curl);

#endif
