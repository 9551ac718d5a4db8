/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "crucible/filter/pii.h"

/* The replacements of datatrove's PIIFormatter. */
static const char *const emails[] = {"email@example.com", "firstname.lastname@example.org"};
static const char *const addresses[] = {"22.214.171.124", "126.96.36.199",  "188.8.131.52",
                                        "184.108.40.206", "220.127.116.11", "18.104.22.168"};

/* IANA IPv4 Special-Purpose Address Registry: blocks that are not globally reachable. */
static const struct {
    uint32_t base;
    unsigned bits;
} reserved[] = {
    {0x00000000, 8},  {0x0A000000, 8},  {0x64400000, 10}, {0x7F000000, 8},  {0xA9FE0000, 16},
    {0xAC100000, 12}, {0xC0000000, 24}, {0xC0000200, 24}, {0xC0A80000, 16}, {0xC6120000, 15},
    {0xC6336400, 24}, {0xCB007100, 24}, {0xF0000000, 4},
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
static bool is_alnum(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
/* RFC 5322 atext. */
static bool is_atom(char c) {
    return is_alnum(c) || (c != 0 && strchr("!#$%&'*+/=?^_`{|}~-", c) != NULL);
}

/* The host behind an '@' that ends in front of p: its length, 0 when it is none. */
static size_t host_length(const char *p, size_t n) {
    size_t end = 0, labels = 0, i = 0;
    while (i < n && is_alnum(p[i])) {
        size_t start = i;
        while (i < n && (is_alnum(p[i]) || p[i] == '-'))
            i++;
        size_t stop = i;
        while (stop > start && p[stop - 1] == '-')
            stop--;
        end = stop;
        labels++;
        if (stop < i || i == n || p[i] != '.')
            break;
        i++;
    }
    return labels >= 2 ? end : 0;
}

/* Where the local part in front of text.p[at] == '@' starts, not before `from`; `at` when there is none. */
static size_t local_start(struct cru_span text, size_t from, size_t at) {
    size_t i = at;
    while (i > from && (is_atom(text.p[i - 1]) ||
                        (text.p[i - 1] == '.' && i < at && text.p[i] != '.')))
        i--;
    /* Neither a dot nor a mark begins an address that reads like one: `(see *me@x.org` is me@x.org. */
    while (i < at && !is_alnum(text.p[i]) && text.p[i] != '_')
        i++;
    return i;
}

/* The next e-mail address at or behind `from`. */
static bool next_email(struct cru_span text, size_t from, size_t *start, size_t *end) {
    for (size_t search = from; search < text.n;) {
        const char *sign = memchr(text.p + search, '@', text.n - search);
        if (!sign)
            return false;
        size_t at = (size_t)(sign - text.p);
        *start = local_start(text, search, at);
        size_t host = *start < at ? host_length(sign + 1, text.n - at - 1) : 0;
        if (host > 0) {
            *end = at + 1 + host;
            return true;
        }
        search = at + 1;
    }
    return false;
}

/* A number 0..255 without leading zeros at p; its length, 0 when there is none. */
static size_t octet_length(const char *p, size_t n, uint32_t *value) {
    size_t i = 0;
    *value = 0;
    while (i < n && i < 4 && is_digit(p[i]))
        *value = *value * 10 + (uint32_t)(p[i++] - '0');
    return i == 0 || i == 4 || *value > 255 || (i > 1 && p[0] == '0') ? 0 : i;
}

static bool is_public(uint32_t address) {
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if ((address ^ reserved[i].base) >> (32 - reserved[i].bits) == 0)
            return false;
    return true;
}

/* The dotted quad that starts at `start`; its length, 0 when there is none. */
static size_t quad_length(struct cru_span text, size_t start, uint32_t *address) {
    size_t i = start;
    *address = 0;
    for (unsigned k = 0; k < 4; k++) {
        uint32_t value;
        if (k > 0 && (i >= text.n || text.p[i++] != '.'))
            return 0;
        size_t n = octet_length(text.p + i, text.n - i, &value);
        if (n == 0)
            return 0;
        i += n;
        *address = *address << 8 | value;
    }
    bool longer = i < text.n && (is_alnum(text.p[i]) ||
                                 (text.p[i] == '.' && i + 1 < text.n && is_digit(text.p[i + 1])));
    return longer ? 0 : i - start;
}

static bool next_address(struct cru_span text, size_t from, size_t *start, size_t *end) {
    for (size_t search = from; search < text.n;) {
        const char *dot = memchr(text.p + search, '.', text.n - search);
        if (!dot)
            return false;
        size_t at = (size_t)(dot - text.p), i = at;
        search = at + 1;
        while (i > from && at - i < 4 && is_digit(text.p[i - 1]))
            i--;
        if (i == at || (i > 0 && (is_alnum(text.p[i - 1]) || text.p[i - 1] == '.')))
            continue;
        uint32_t address;
        size_t n = quad_length(text, i, &address);
        if (n > 0 && is_public(address)) {
            *start = i;
            *end = i + n;
            return true;
        }
    }
    return false;
}

struct cru_pii_counts cru_pii_replace(struct cru_span text, struct cru_buffer *out) {
    struct cru_pii_counts counts = {0, 0};
    size_t from = 0, email, email_end = 0, address, address_end = 0;
    bool more_emails = next_email(text, 0, &email, &email_end);
    bool more_addresses = next_address(text, 0, &address, &address_end);
    if (out)
        cru_buffer_clear(out);
    while (more_emails || more_addresses) {
        bool is_email = more_emails && (!more_addresses || email <= address);
        size_t start = is_email ? email : address, end = is_email ? email_end : address_end;
        const char *word = is_email ? emails[counts.emails++ % 2] : addresses[counts.addresses++ % 6];
        if (out) {
            cru_buffer_add(out, text.p + from, start - from);
            cru_buffer_add_string(out, word);
        }
        from = end;
        /* The other kind may have been found inside what was just replaced. */
        if (more_emails && email < end)
            more_emails = next_email(text, end, &email, &email_end);
        if (more_addresses && address < end)
            more_addresses = next_address(text, end, &address, &address_end);
    }
    if (out && from > 0)
        cru_buffer_add(out, text.p + from, text.n - from);
    return counts;
}
