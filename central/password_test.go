package central

import (
	"testing"

	"gatehouse/sessions"
)

// The hashes of secret were made by Django 3.2.25 (its hashers, bcrypt with 5 rounds) and passlib 1.7.4, as Debian 12 has them;
// those of "secret" by Python's hashlib.
const secret = "Sécret pässword 1"

func TestVerifyPassword(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, hash, password string }{
		{"pbkdf2_sha256", "pbkdf2_sha256$260000$pp3ru7xTMuUgWD4C6I3XdP$hF1MPbImNMX/lpI8riQBQL8VOsOjdtRlsCeccMFgqtc=", secret},
		{"pbkdf2_sha256, another cost", "pbkdf2_sha256$1000$abc$VanjAiRLIpd6dtAytdb3OPIH3PA5V8pwmfK/OrPSQxo=", secret},
		{"pbkdf2_sha256, hashlib", "pbkdf2_sha256$1000$abc$ezAwPW/wuspSU83Z4aU2LP5+de/RqK3RFrreZbJFqEM=", "secret"},
		{"bcrypt_sha256", "bcrypt_sha256$$2b$05$Cr8CPMcqzCcL5qCBEsZutuTDSZjEes4.MoFxn9M0ohFNSeYI0Xy4G", secret},
		{"bcrypt of Django", "bcrypt$$2b$05$GHItn1mktptoEHLZwZM.zO33TzTAyDetq5leJJlo6zZh62qkdiXPi", secret},
		{"bcrypt", "$2b$05$7kSf.qQRPZKjZeolpwY.IupcV5tJM4QaI25jHYW/c2FSh.pYigjxm", secret},
		{"bcrypt 2y", "$2y$05$owZiWwI9xBA49JhU9QCP0uJPyAmXDRvTG9i6oYAtUy4bWZ1hqI1Nm", secret},
		{"argon2 of Django", "argon2$argon2id$v=19$m=102400,t=2,p=8$QWpmdkFieWw1OFd0NEp1Q2RPZW9NYg$uCjr//FlOucCQBISNrm9/Q", secret},
		{"argon2id", "$argon2id$v=19$m=1024,t=2,p=2$jLG2VuodIyRE6H3v3fs/Jw$aM2WIH5wEVd1lJMy0uPEpQ", secret},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if ok, err := verifyPassword(tt.hash, sessions.Password(tt.password)); !ok || err != nil {
				t.Errorf("right password: %v, %v", ok, err)
			}
			if ok, err := verifyPassword(tt.hash, sessions.Password(tt.password+"x")); ok || err != nil {
				t.Errorf("wrong password: %v, %v", ok, err)
			}
			if !outdated(tt.hash) {
				t.Error("it would be kept as it is")
			}
		})
	}
}

func TestLongPasswordInBcryptSHA256(t *testing.T) {
	t.Parallel()
	const hash = "bcrypt_sha256$$2b$05$nvx3mHLShvsEMpdGA3eq2upM0XljoTatsSDZjNko2FTXXCsbRSSam"
	long := sessions.Password("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")
	if ok, err := verifyPassword(hash, long); !ok || err != nil {
		t.Errorf("%d characters: %v, %v", len(long), ok, err)
	}
	if ok, err := verifyPassword(hash, long[:72]); ok || err != nil {
		t.Errorf("its first 72 characters: %v, %v", ok, err)
	}
}

// What is damaged or would take this machine away from others is refused before any work is done.
func TestPasswordHashesThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, hash := range []string{
		"", "!", "plain", "md5$abc$def", "scrypt$x", "pbkdf2_sha256$", "pbkdf2_sha256$1000$abc", "pbkdf2_sha256$0$abc$ezAwPW/wuspSU83Z4aU2LP5+de/RqK3RFrreZbJFqEM=",
		"pbkdf2_sha256$-5$abc$ezAwPW/wuspSU83Z4aU2LP5+de/RqK3RFrreZbJFqEM=", "pbkdf2_sha256$10000001$abc$ezAwPW/wuspSU83Z4aU2LP5+de/RqK3RFrreZbJFqEM=",
		"pbkdf2_sha256$99999999999999999999$abc$ezAwPW/wuspSU83Z4aU2LP5+de/RqK3RFrreZbJFqEM=", "pbkdf2_sha256$1000$abc$ezAw",
		"$2b$16$7kSf.qQRPZKjZeolpwY.IupcV5tJM4QaI25jHYW/c2FSh.pYigjxm", "$2b$31$7kSf.qQRPZKjZeolpwY.IupcV5tJM4QaI25jHYW/c2FSh.pYigjxm", "$2b$05$short",
		"$argon2id$v=19$m=4294967295,t=1,p=1$jLG2VuodIyRE6H3v3fs/Jw$aM2WIH5wEVd1lJMy0uPEpQ",
		"$argon2id$v=19$m=262144,t=5,p=1$jLG2VuodIyRE6H3v3fs/Jw$aM2WIH5wEVd1lJMy0uPEpQ",
		"$argon2id$v=19$m=1024,t=2,p=99$jLG2VuodIyRE6H3v3fs/Jw$aM2WIH5wEVd1lJMy0uPEpQ",
		"$argon2id$v=19$m=1024,t=0,p=1$jLG2VuodIyRE6H3v3fs/Jw$aM2WIH5wEVd1lJMy0uPEpQ",
		"$argon2i$v=19$m=1024,t=2,p=2$jLG2VuodIyRE6H3v3fs/Jw$aM2WIH5wEVd1lJMy0uPEpQ",
		"$argon2id$v=19$m=1024,t=2,p=2$jLG2VuodIyRE6H3v3fs/Jw$aM2W",
	} {
		if err := CheckPasswordHash(hash); err == nil {
			t.Errorf("%q is taken", hash)
		}
	}
}

func TestOurOwnHashIsKept(t *testing.T) {
	t.Parallel()
	hash, err := sessions.HashPassword(secret)
	if err != nil || outdated(hash) {
		t.Errorf("%s would be made anew, err %v", hash, err)
	}
}
