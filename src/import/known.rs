//! Directives that limit no access, and what becomes of them. One that is neither here nor
//! translated may be a limit, and closes the routes that it is about.

/// What becomes of a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    NotNeeded(&'static str),
    NeedsYou(&'static str),
}

/// What becomes of a directive that is translated nowhere else.
pub(super) fn find(name: &str) -> Option<Known> {
    let not_needed = NOT_NEEDED.iter().find(|(names, _)| fits(names, name));
    let needs_you = NEEDS_YOU.iter().find(|(names, _)| fits(names, name));
    match (not_needed, needs_you) {
        (Some((_, text)), _) => Some(Known::NotNeeded(text)),
        (None, Some((_, text))) => Some(Known::NeedsYou(text)),
        (None, None) => None,
    }
}

/// Whether NGINX has a directive of this name, as far as is known here.
pub(super) fn is_directive(name: &str) -> bool {
    find(name).is_some() || TRANSLATED.split_whitespace().any(|known| known == name)
}

/// `x_*` stands for every name that begins so.
fn fits(names: &str, name: &str) -> bool {
    let mut names = names.split_whitespace();
    names.any(|known| match known.strip_suffix('*') {
        Some(front) => name.starts_with(front),
        None => known == name,
    })
}

/// Those that the other files of this module translate.
pub(super) const TRANSLATED: &str = "http server location stream upstream map include events \
    server_name listen ssl ssl_certificate ssl_certificate_key ssl_protocols ssl_verify_client \
    ssl_client_certificate allow deny satisfy auth_basic auth_basic_user_file auth_request \
    auth_request_set internal limit_except if return rewrite set break root alias try_files index \
    proxy_pass proxy_set_header proxy_hide_header add_header client_max_body_size \
    proxy_read_timeout limit_req limit_req_zone limit_req_status set_real_ip_from real_ip_header \
    real_ip_recursive ssl_preread proxy_protocol proxy_ssl_trusted_certificate proxy_ssl_name \
    fastcgi_pass uwsgi_pass scgi_pass grpc_pass memcached_pass";

const NOT_NEEDED: &[(&str, &str)] = &[
    (
        "user worker_* pid daemon master_process events multi_accept use accept_mutex* \
         pcre_jit thread_pool load_module lock_file timer_resolution debug_connection",
        "the gateway has a thread per core; its user and limits are those of its service",
    ),
    (
        "sendfile* tcp_nopush tcp_nodelay aio* directio* output_buffers postpone_output \
         read_ahead reset_timedout_connection",
        "answers are streamed, without a switch for it",
    ),
    (
        "server_tokens server_names_hash* types_hash* variables_hash* map_hash* \
         proxy_headers_hash* limit_req_log_level limit_conn_log_level",
        "has no counterpart, and needs none",
    ),
    (
        "types default_type charset* mime",
        "types are known by the ending of a file",
    ),
    (
        "keepalive_timeout keepalive_requests keepalive_disable keepalive_time \
         client_header_timeout client_body_timeout send_timeout lingering_* \
         client_body_buffer_size client_header_buffer_size large_client_header_buffers \
         client_body_temp_path client_body_in_file_only client_body_in_single_buffer",
        "slow and idle clients have limits without it ([limits])",
    ),
    (
        "proxy_buffering proxy_buffers proxy_buffer_size proxy_busy_buffers_size proxy_temp* \
         proxy_max_temp_file_size proxy_request_buffering proxy_force_ranges proxy_limit_rate",
        "bodies are streamed both ways",
    ),
    (
        "proxy_http_version proxy_socket_keepalive proxy_connect_timeout proxy_send_timeout \
         proxy_next_upstream* proxy_pass_header",
        "servers are spoken to by HTTP/1.1 on kept connections; another one is tried if one \
         accepts no connection",
    ),
    ("proxy_cache_bypass proxy_no_cache", "nothing is cached"),
    (
        "ssl_ciphers ssl_prefer_server_ciphers ssl_session_* ssl_dhparam ssl_ecdh_curve \
         ssl_stapling* ssl_trusted_certificate ssl_buffer_size ssl_early_data ssl_conf_command \
         http2 http2_* http3* quic_* ssl_password_file",
        "the gateway chooses suites and curves; HTTP/2 is always on",
    ),
    (
        "proxy_ssl_server_name proxy_ssl_session_reuse proxy_ssl_protocols proxy_ssl_ciphers \
         proxy_ssl_verify_depth",
        "servers with TLS are verified by name, always",
    ),
    (
        "resolver resolver_timeout",
        "names are resolved as the system does it",
    ),
    (
        "merge_slashes underscores_in_headers ignore_invalid_headers",
        "paths and headers with two readings are rejected with 400",
    ),
    (
        "etag if_modified_since open_file_cache* log_not_found log_subrequest max_ranges \
         chunked_transfer_encoding gzip_static disable_symlinks",
        "files are served so without it",
    ),
    (
        "absolute_redirect port_in_redirect server_name_in_redirect recursive_error_pages \
         uninitialized_variable_warn rewrite_log variables",
        "has no counterpart, and needs none",
    ),
    (
        "zone keepalive queue ntlm",
        "connections to servers are kept by each worker",
    ),
    (
        "preread_* proxy_timeout proxy_upload_rate proxy_download_rate tcp_nodelay variables",
        "connections that are passed through are not cut for being idle",
    ),
];

const NEEDS_YOU: &[(&str, &str)] = &[
    (
        "gzip gzip_* gunzip* brotli* zstd*",
        "not moved: write compress = true in routes with files; what servers answer is not \
         compressed on the way",
    ),
    (
        "expires",
        "not moved: for a whole route write \
         headers = { response = { set = { Cache-Control = … } } }",
    ),
    (
        "error_page proxy_intercept_errors",
        "not moved: write error_pages = { 404 = \"…\" } in routes with files; other error \
         responses are the gateway's own, and a server's go through",
    ),
    (
        "access_log log_format error_log open_log_file_cache",
        "not moved: requests are logged on standard output, events on standard error ([log])",
    ),
    (
        "ssi ssi_* sub_filter* addition_* image_filter* xslt_* random_index autoindex* \
         empty_gif slice mirror* add_before_body add_after_body add_trailer limit_rate*",
        "not moved: answers are not changed on the way",
    ),
    (
        "proxy_cache proxy_cache_* proxy_store* proxy_ignore_headers fastcgi_cache*",
        "not moved: nothing is cached, each request reaches the server",
    ),
    (
        "fastcgi_* uwsgi_* scgi_* grpc_* memcached_*",
        "not moved: servers are spoken to by HTTP only",
    ),
    (
        "proxy_redirect proxy_cookie_*",
        "not moved: Location is adjusted where the path is rewritten, cookies are not",
    ),
    (
        "limit_conn limit_conn_zone limit_conn_status limit_zone limit_req_dry_run \
         limit_conn_dry_run",
        "not moved: see connections_per_client in [limits], for the gateway as a whole, and \
         concurrent of a route",
    ),
    (
        "geo geoip_* geoip2* split_clients valid_referers secure_link* userid* env perl_modules",
        "not moved: what it decides belongs into a policy or into the application; an if that \
         used it has closed its routes",
    ),
    (
        "stub_status",
        "not moved: write status = \"127.0.0.1:9180\" in [listen]",
    ),
    (
        "proxy_ssl_verify",
        "certificates of servers are always verified: write ca_file or pin in the upstream if \
         its certificate is its own",
    ),
    (
        "proxy_ssl_certificate proxy_ssl_certificate_key proxy_ssl_crl",
        "not moved: write client_cert in the upstream",
    ),
    (
        "proxy_bind proxy_method proxy_set_body",
        "not moved: has no counterpart",
    ),
];
