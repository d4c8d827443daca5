-- Whose rows get another partition.
CREATE TEMPORARY TABLE moved (
    former    integer NOT NULL,
    partition integer NOT NULL,
    app       text COLLATE "C" NOT NULL,
    user_name text COLLATE "C" NOT NULL
) ON COMMIT DROP
