-- The language that a person reads: a tag that the program knows (domain/language.rs). A kind of mail
-- that is not written in it comes in English as a whole.
alter table subscribers
    add column language text not null default 'en-GB' check (language ~ '^[a-z]{2}-[A-Z]{2}$');
