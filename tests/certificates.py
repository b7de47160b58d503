"""Certificates made when a test needs them: an authority, and leaves for names."""

import datetime
import ipaddress
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    def __init__(self, directory):
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = (
            _builder("Turnpike test authority", "Turnpike test authority", self.key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256()))
        self.file = directory / "authority.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, *names, file="leaf", days=30):
        """Writes FILE.pem and FILE.key for the names (host names, addresses or URIs); returns both paths and the serial number."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = []
        for name in names:
            if "://" in name:
                alternatives.append(x509.UniformResourceIdentifier(name))
                continue
            try:
                alternatives.append(x509.IPAddress(ipaddress.ip_address(name)))
            except ValueError:
                alternatives.append(x509.DNSName(name))
        certificate = (
            _builder(names[0], "Turnpike test authority", key.public_key(), days)
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256()))
        certificate_file, key_file = self.directory / f"{file}.pem", self.directory / f"{file}.key"
        # written whole elsewhere first: whoever watches the files never sees half of one
        for path, data in (
            (key_file, key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                         serialization.NoEncryption())),
            (certificate_file, certificate.public_bytes(serialization.Encoding.PEM)),
        ):
            new = path.with_suffix(path.suffix + ".new")
            new.write_bytes(data)
            new.chmod(0o600)
            new.rename(path)
        return str(certificate_file), str(key_file), certificate.serial_number

    def server_context(self, *names, file="server"):
        certificate, key, _ = self.issue(*names, file=file)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        return context

    def client_context(self):
        return ssl.create_default_context(cafile=str(self.file))


def _builder(subject, issuer, public_key, days=30):
    now = datetime.datetime.now(datetime.timezone.utc)
    return (x509.CertificateBuilder().subject_name(_name(subject)).issuer_name(_name(issuer)).public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1 if days > 0 else 60))
            .not_valid_after(now + datetime.timedelta(days=days)))
