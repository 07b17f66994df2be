// SPDX-License-Identifier: MIT
/* See clc_mutate.h. */
#include <arpa/inet.h>
#include <string.h>

#include "clc_mutate.h"

#define HEADER 8
#define MAX_FIELDS 64

/* Offsets in messages; see net/smc/smc_clc.h. */
enum {
	AT_TYPE = 4,
	AT_LENGTH = 5,
	AT_VERSION = 7, /* version, typev2, typev1: 4, 2, 2 bits */
	/* PROPOSAL */
	AT_IPAREA_OFFSET = 38,
	AT_SMCD = 40, /* what iparea_offset counts from */
	AT_V2_OFFSET = 50,
	AT_V2_BASE = 52, /* what v2_ext_offset counts from */
	AT_PREFIX = 80,
	/* of the version 2 extension */
	V2_EID_CNT = 0,
	V2_GID_CNT = 1,
	V2_FLAG = 3,
	V2_SMCD_OFFSET = 6,
	V2_SMCD_BASE = 8, /* what smcd_v2_ext_offset counts from */
	V2_EIDS = 40,
	/* ACCEPT, CONFIRM: where version 2 goes on */
	AT_R_EID = 64,
	AT_R_MORE = 104,
	AT_D_CHID = 32,
	AT_D_EID = 34,
	AT_D_MORE = 74,
};

enum { R, D, N, B }; /* typev1, typev2 */

static const unsigned char catchers[2][4] = {{0xe2, 0xd4, 0xc3, 0xd9},
					     {0xe2, 0xd4, 0xc3, 0xc4}};

uint32_t clc_random(uint64_t *state, uint32_t n)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (z ^ z >> 31) % n;
}

static bool one_in(uint64_t *state, uint32_t n)
{
	return !clc_random(state, n);
}

static void put16(unsigned char *at, unsigned int val)
{
	at[0] = val >> 8;
	at[1] = val;
}

static unsigned int get16(const unsigned char *at)
{
	return at[0] << 8 | at[1];
}

/* The next @n bytes, zeroed; nothing if there is no room. */
static unsigned char *grow(struct clc_message *m, size_t n)
{
	static unsigned char spill[256];
	unsigned char *at = m->data + m->len;

	if (m->len + n > sizeof(m->data))
		return spill;
	memset(at, 0, n);
	m->len += n;
	return at;
}

static void grow_random(uint64_t *state, struct clc_message *m, size_t n)
{
	unsigned char *at = grow(m, n);

	for (size_t i = 0; i < n; i++)
		at[i] = clc_random(state, 256);
}

/* Has the message an extension of version 2 that is whole? */
static const unsigned char *find_v2(const struct clc_message *m)
{
	size_t at;

	if (m->len < AT_PREFIX || m->data[AT_TYPE] != PROPOSAL)
		return NULL;
	at = AT_V2_BASE + get16(m->data + AT_V2_OFFSET);
	return at + V2_EIDS + 32 <= m->len ? m->data + at : NULL;
}

static void put_eid(uint64_t *state, unsigned char *at,
		    const struct clc_message *model)
{
	const unsigned char *v2 = model ? find_v2(model) : NULL;

	if (v2 && v2[V2_EID_CNT] && !one_in(state, 3)) {
		memcpy(at, v2 + V2_EIDS, 32);
		return;
	}
	memset(at, ' ', 32);
	for (int i = clc_random(state, 33); i > 0; i--)
		at[i - 1] = 'A' + clc_random(state, 26);
}

/* GID and CHID of a device that the kernel has, or of one that it has not */
static void put_device(uint64_t *state, unsigned char *at, unsigned int nr,
		       const struct clc_message *model)
{
	const unsigned char *v2 = model ? find_v2(model) : NULL;
	const unsigned char *end = model ? model->data + model->len : NULL;
	const unsigned char *from;

	if (v2 && v2[V2_GID_CNT] && !one_in(state, 3)) {
		from = v2 + V2_SMCD_BASE + get16(v2 + V2_SMCD_OFFSET) + 48 +
		       nr % v2[V2_GID_CNT] * 10;
		if (from + 10 <= end) {
			memcpy(at, from, 10);
			return;
		}
	}
	for (int i = 0; i < 10; i++)
		at[i] = clc_random(state, 256);
	if (one_in(state, 2)) /* the CHIDs of emulated devices */
		at[8] = 0xff;
}

static void put_trailer(uint64_t *state, struct clc_message *m)
{
	memcpy(grow(m, 4), catchers[one_in(state, 4)], 4);
	put16(m->data + AT_LENGTH, m->len);
}

static void put_header(struct clc_message *m, bool is_d, int type, int version,
		       int typev2, int typev1)
{
	unsigned char *at = grow(m, HEADER);

	memcpy(at, catchers[is_d], 4);
	at[AT_TYPE] = type;
	at[AT_VERSION] = version << 4 | typev2 << 2 | typev1;
}

/* How many elements of which @max are allowed, mostly one or none */
static unsigned int pick_count(uint64_t *state, unsigned int max)
{
	switch (clc_random(state, 8)) {
	case 0:
		return max;
	case 1:
		return max + 1;
	case 2:
		return clc_random(state, 2 * max);
	default:
		return clc_random(state, 2);
	}
}

static void build_proposal(uint64_t *state, struct clc_message *m,
			   const struct clc_message *model)
{
	int version = one_in(state, 3) ? 1 : 2;
	int typev1 = clc_random(state, 4);
	int typev2 = version > 1 ? clc_random(state, 4) : 0;
	unsigned int eids, gids, n;
	unsigned char *at;
	size_t v2;

	put_header(m, false, PROPOSAL, version, typev2, typev1);
	grow_random(state, m, 30);
	grow(m, 2);
	put_device(state, grow(m, 10), 0, model);
	grow(m, 30);
	if (version > 1 || typev1 != R)
		put16(m->data + AT_IPAREA_OFFSET, 40);
	else
		m->len = AT_SMCD;
	if (version == 1 || typev1 != N) {
		at = grow(m, 8);
		memcpy(at, "\x0a\x58\x00\x00\x18", 5);
		if (one_in(state, 2))
			at[2] = 1 + clc_random(state, 4); /* the net's number */
		n = pick_count(state, 8);
		at[7] = one_in(state, 2) ? 0 : n;
		for (n = at[7]; n; n--)
			grow_random(state, m, 17);
	}
	if (version > 1 && typev2 != N) {
		v2 = m->len;
		put16(m->data + AT_V2_OFFSET, v2 - AT_V2_BASE);
		at = grow(m, V2_EIDS);
		eids = at[V2_EID_CNT] = 1 + pick_count(state, 8) % 20;
		at[V2_FLAG] = clc_random(state, 3) << 4 | one_in(state, 4);
		at[24] = clc_random(state, 256);
		at[25] = clc_random(state, 4);
		at[27] = clc_random(state, 8);
		for (n = 0; n < eids; n++)
			put_eid(state, grow(m, 32), model);
		if (typev2 == D || typev2 == B) {
			gids = at[V2_GID_CNT] = pick_count(state, 8) + 1;
			put16(at + V2_SMCD_OFFSET, m->len - v2 - V2_SMCD_BASE);
			grow(m, 48);
			for (n = 0; n < gids; n++)
				put_device(state, grow(m, 10), n, model);
		}
	}
	put_trailer(state, m);
}

/* What follows the first contact: what the system is, GIDs of SMC-R */
static void build_first_contact(uint64_t *state, struct clc_message *m,
				bool is_d)
{
	unsigned int release = clc_random(state, 3), n;
	unsigned char *at = grow(m, 36);

	at[0] = one_in(state, 2) << 7; /* v2_direct */
	at[1] = 2 << 4 | release;
	memset(at + 4, 'h', clc_random(state, 33));
	if (release) {
		at = grow(m, 16);
		at[0] = clc_random(state, 256); /* max_conns */
		at[1] = clc_random(state, 8);
		at[3] = clc_random(state, 8);
	}
	if (is_d || one_in(state, 2))
		return;
	n = clc_random(state, 10);
	grow(m, 4)[0] = n;
	for (; n; n--)
		grow_random(state, m, 16);
}

static void build_answer(uint64_t *state, struct clc_message *m, int type,
			 const struct clc_message *model)
{
	int version = one_in(state, 3) ? 1 : 2;
	bool is_d = !one_in(state, 3);
	bool is_first = one_in(state, 2);
	unsigned char *at;

	put_header(m, is_d, type, version, is_first << 1, is_d ? D : R);
	if (is_d) {
		at = grow(m, 36);
		put_device(state, at, 0, model);
		memset(at + 8, 0, 8);
		for (int i = 8; i < 16; i++)
			at[i] = clc_random(state, 256);
		at[17] = clc_random(state, 7) << 4; /* dmbe_size */
		at[27] = clc_random(state, 4); /* linkid */
		if (version > 1) {
			m->len = AT_D_CHID;
			memset(grow(m, 2), 0xff, 2);
			put_eid(state, grow(m, 32), model);
			grow(m, 8);
		}
	} else {
		grow_random(state, m, AT_R_EID - HEADER);
		if (version > 1) {
			put_eid(state, grow(m, 32), model);
			grow(m, 8);
		}
	}
	if (version > 1 && is_first)
		build_first_contact(state, m, is_d);
	put_trailer(state, m);
}

static void build_decline(uint64_t *state, struct clc_message *m)
{
	static const uint32_t codes[] = {0x01010000, 0x03030000, 0x03010000,
					 0x04000000, 0x05000000, 0,
					 0xffffffff};
	int version = one_in(state, 2) ? 1 : 2;
	uint32_t code = htonl(codes[clc_random(state, 7)]);

	/* typev2: "out of sync" ends the whole link group */
	put_header(m, one_in(state, 2), DECLINE, version,
		   one_in(state, 4) ? 2 : 0, 0);
	grow_random(state, m, 8);
	memcpy(grow(m, 4), &code, 4);
	grow(m, version > 1 ? 20 : 4);
	put_trailer(state, m);
}

void clc_build(uint64_t *state, struct clc_message *m, enum clc_type type,
	       const struct clc_message *model)
{
	m->len = 0;
	if (model && (!model->len || one_in(state, 8)))
		model = NULL;
	if (type == PROPOSAL)
		build_proposal(state, m, model);
	else if (type == DECLINE)
		build_decline(state, m);
	else
		build_answer(state, m, type, model);
}

/*
 * Fields of a message, wherever its own offsets put them
 */
struct fields {
	struct field {
		size_t at, size;
	} all[MAX_FIELDS];
	int n;
};

static void add(struct fields *f, const struct clc_message *m, size_t at,
		size_t size)
{
	if (f->n < MAX_FIELDS && at + size <= m->len)
		f->all[f->n++] = (struct field){at, size};
}

static void add_proposal(struct fields *f, const struct clc_message *m)
{
	size_t at;

	add(f, m, AT_IPAREA_OFFSET, 2);
	add(f, m, AT_V2_OFFSET, 2);
	add(f, m, AT_SMCD, 8); /* GID */
	add(f, m, AT_SMCD + 8, 2);
	if (m->len < AT_V2_BASE)
		return;
	at = AT_SMCD + get16(m->data + AT_IPAREA_OFFSET);
	add(f, m, at, 4); /* subnet */
	add(f, m, at + 4, 1); /* prefix_len */
	add(f, m, at + 7, 1); /* ipv6_prefixes_cnt */
	add(f, m, at + 8 + 16, 1); /* of the first of these */
	at = AT_V2_BASE + get16(m->data + AT_V2_OFFSET);
	add(f, m, at + V2_EID_CNT, 1);
	add(f, m, at + V2_GID_CNT, 1);
	add(f, m, at + V2_FLAG, 1);
	add(f, m, at + V2_SMCD_OFFSET, 2);
	add(f, m, at + 24, 1); /* max_conns */
	add(f, m, at + 25, 1); /* max_links */
	add(f, m, at + 26, 2); /* feature_mask */
	add(f, m, at + V2_EIDS, 1);
	if (at + V2_EIDS > m->len)
		return;
	at += V2_SMCD_BASE + get16(m->data + at + V2_SMCD_OFFSET) + 48;
	add(f, m, at, 8);
	add(f, m, at + 8, 2);
	add(f, m, at + 10, 8);
	add(f, m, at + 18, 2);
}

static void add_answer(struct fields *f, const struct clc_message *m)
{
	bool is_d = (m->data[AT_VERSION] & 3) == D;
	size_t at;

	if (is_d) {
		add(f, m, 8, 8); /* GID */
		add(f, m, 16, 8); /* token */
		add(f, m, 24, 1); /* dmbe_idx */
		add(f, m, 25, 1); /* dmbe_size */
		add(f, m, 28, 4); /* linkid */
		add(f, m, AT_D_CHID, 2);
		add(f, m, AT_D_EID, 1);
		add(f, m, 66, 8); /* gid_ext */
	} else {
		add(f, m, 8, 8); /* id_for_peer */
		add(f, m, 16, 8); /* GID */
		add(f, m, 38, 3); /* qpn */
		add(f, m, 41, 4); /* rkey */
		add(f, m, 45, 1); /* rmbe_idx */
		add(f, m, 46, 4); /* alert token */
		add(f, m, 50, 1); /* rmbe_size, qp_mtu */
		add(f, m, 52, 8); /* rmb_dma_addr */
		add(f, m, 61, 3); /* psn */
		add(f, m, AT_R_EID, 1);
	}
	at = is_d ? AT_D_MORE : AT_R_MORE;
	add(f, m, at, 1); /* v2_direct */
	add(f, m, at + 1, 1); /* os_type, release */
	add(f, m, at + 36, 1); /* max_conns, or gid_cnt */
	add(f, m, at + 37, 1); /* max_links */
	add(f, m, at + 38, 2); /* feature_mask */
	add(f, m, at + 52, 1); /* gid_cnt */
}

static void find_fields(struct fields *f, const struct clc_message *m)
{
	f->n = 0;
	add(f, m, AT_TYPE, 1);
	add(f, m, AT_LENGTH, 2);
	add(f, m, AT_VERSION, 1);
	if (m->len < HEADER)
		return;
	if (m->data[AT_TYPE] == PROPOSAL)
		add_proposal(f, m);
	else if (m->data[AT_TYPE] == DECLINE)
		add(f, m, 16, 4);
	else
		add_answer(f, m);
}

/* A value that a reader may get wrong, for a field of @size that is @old */
static uint64_t pick_value(uint64_t *state, const struct clc_message *m,
			   size_t size, uint64_t old)
{
	static const uint16_t limits[] = {7,  8,  9,   28,  40,	 44,	48,
					  68, 78, 127, 128, 255, 0x100, 0x7fff};

	switch (clc_random(state, 9)) {
	case 0:
		return 0;
	case 1:
		return ~0ull;
	case 2:
		return old + 1;
	case 3:
		return old - 1;
	case 4:
		return old ^ 1ull << clc_random(state, 8 * size);
	case 5:
		return limits[clc_random(state, 14)];
	case 6:
		return m->len + 4 - clc_random(state, 9);
	case 7:
		return old + clc_random(state, 64) - 32;
	default:
		return (uint64_t)clc_random(state, 0xffffffff) << 32 |
		       clc_random(state, 0xffffffff);
	}
}

static void put_value(uint64_t *state, struct clc_message *m, size_t at,
		      size_t size)
{
	uint64_t val = 0;

	for (size_t i = 0; i < size; i++)
		val = val << 8 | m->data[at + i];
	val = pick_value(state, m, size, val);
	for (size_t i = size; i; i--, val >>= 8)
		m->data[at + i - 1] = val;
}

static void change_field(uint64_t *state, struct clc_message *m)
{
	struct fields f;
	struct field *field;

	find_fields(&f, m);
	if (!f.n)
		return;
	field = &f.all[clc_random(state, f.n)];
	put_value(state, m, field->at, field->size);
}

/* Version and types are small: any of them makes sense somewhere. */
static void change_kind(uint64_t *state, struct clc_message *m)
{
	switch (clc_random(state, 4)) {
	case 0:
		m->data[AT_TYPE] = clc_random(state, 6);
		break;
	case 1:
		m->data[AT_VERSION] &= 0x0f;
		m->data[AT_VERSION] |= clc_random(state, 5) << 4;
		break;
	case 2:
		m->data[AT_VERSION] &= ~0x0c;
		m->data[AT_VERSION] |= clc_random(state, 4) << 2;
		break;
	default:
		m->data[AT_VERSION] &= ~0x03;
		m->data[AT_VERSION] |= clc_random(state, 4);
	}
}

static void change_catcher(uint64_t *state, struct clc_message *m)
{
	size_t at = one_in(state, 4) ? 0 : m->len - 4;

	if (one_in(state, 2))
		memcpy(m->data + at, catchers[clc_random(state, 2)], 4);
	else
		m->data[at + clc_random(state, 4)] ^=
			1 + clc_random(state, 255);
}

static void change_bytes(uint64_t *state, struct clc_message *m)
{
	static const size_t sizes[] = {1, 2, 4, 8};
	size_t size = sizes[clc_random(state, 4)];
	size_t at = 4 + clc_random(state, m->len - 4);

	if (one_in(state, 2)) {
		at = at / size * size;
		if (at >= 4 && at + size <= m->len)
			put_value(state, m, at, size);
		return;
	}
	for (size_t n = 1 + clc_random(state, 8); n && at < m->len; n--, at++)
		m->data[at] = clc_random(state, 256);
}

static void change_end(uint64_t *state, struct clc_message *m)
{
	size_t n;

	switch (clc_random(state, 4)) {
	case 0:
		m->len -= clc_random(state, m->len - HEADER + 1);
		break;
	case 1:
		n = 1 + clc_random(state, 4);
		m->len = m->len > HEADER + n ? m->len - n : HEADER;
		break;
	case 2:
		grow_random(state, m, 1 + clc_random(state, 8));
		break;
	default:
		grow_random(state, m, 1 + clc_random(state, 250));
	}
}

/* Takes the rest, from some place on, of another message. */
static void splice(uint64_t *state, struct clc_message *m,
		   const struct clc_message *other)
{
	size_t at, from;

	if (!other || other->len < HEADER)
		return;
	at = HEADER + clc_random(state, m->len - HEADER + 1);
	from = one_in(state, 2) ? at : clc_random(state, other->len);
	if (from >= other->len)
		return;
	m->len = at;
	for (; from < other->len && m->len < sizeof(m->data); from++)
		m->data[m->len++] = other->data[from];
}

static void repeat(uint64_t *state, struct clc_message *m)
{
	size_t at = one_in(state, 4) ? 0 : clc_random(state, m->len);
	size_t n = at ? 1 + clc_random(state, m->len - at) : m->len;
	size_t behind = at + n;

	if (m->len + n > sizeof(m->data))
		return;
	memmove(m->data + behind + n, m->data + behind, m->len - behind);
	memcpy(m->data + behind, m->data + at, n);
	m->len += n;
}

static void fit(uint64_t *state, struct clc_message *m)
{
	put16(m->data + AT_LENGTH, m->len);
	if (m->len >= HEADER + 4)
		memcpy(m->data + m->len - 4, catchers[clc_random(state, 2)], 4);
}

void clc_mutate(uint64_t *state, struct clc_message *m,
		const struct clc_message *other)
{
	for (int n = 1 + clc_random(state, 4); n && m->len >= HEADER; n--) {
		switch (clc_random(state, 16)) {
		case 0:
		case 1:
			change_kind(state, m);
			break;
		case 2:
			change_catcher(state, m);
			break;
		case 3:
			change_end(state, m);
			break;
		case 4:
			splice(state, m, other);
			break;
		case 5:
			repeat(state, m);
			break;
		case 6:
		case 7:
			change_bytes(state, m);
			break;
		case 8:
			put_value(state, m, AT_LENGTH, 2);
			break;
		default:
			change_field(state, m);
		}
	}
	if (m->len >= HEADER && one_in(state, 2))
		fit(state, m);
}

bool clc_is_whole(const struct clc_message *m)
{
	return m->len >= HEADER &&
	       (!memcmp(m->data, catchers[0], 4) ||
		!memcmp(m->data, catchers[1], 4)) &&
	       get16(m->data + AT_LENGTH) == m->len;
}
