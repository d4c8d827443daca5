-- What moved of each device. A place may be another device's, when the session of
-- the one before has ended.
INSERT INTO devices AS t (partition, app, user_name, place, cursor, received, progress, uplink_mark, gap_from,
        gap_to, resumed, device)
SELECT $1::integer, n.*
FROM unnest($2::text[], $3::text[], $4::integer[], $5::bigint[], $6::bigint[], $7::bigint[],
        $8::bigint[], $9::bigint[], $10::bigint[], $11::boolean[], $12::text[])
    AS n(app, user_name, place, cursor, received, progress, uplink_mark, gap_from, gap_to,
        resumed, device)
ON CONFLICT (partition, app, user_name, place) DO UPDATE SET
    (cursor, received, progress, uplink_mark, gap_from, gap_to, resumed, device) =
    (excluded.cursor, excluded.received, excluded.progress, excluded.uplink_mark,
        excluded.gap_from, excluded.gap_to, excluded.resumed, excluded.device)
