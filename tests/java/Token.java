import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Provider;
import java.security.PublicKey;
import java.security.Security;
import java.security.Signature;
import java.security.spec.X509EncodedKeySpec;
import java.util.HexFormat;
import javax.crypto.KeyAgreement;

/** A key on a token, used through Java's own PKCS#11 provider: {@code Token CONFIGURATION PIN PEER-SPKI-DER}. */
final class Token {
    public static void main(String[] arguments) throws Exception {
        Provider provider = Security.getProvider("SunPKCS11").configure(arguments[0]);
        Security.addProvider(provider);
        KeyStore store = KeyStore.getInstance("PKCS11", provider);
        store.load(null, arguments[1].toCharArray());
        String alias = store.aliases().nextElement();
        PrivateKey key = (PrivateKey) store.getKey(alias, null);

        byte[] spki = Files.readAllBytes(Path.of(arguments[2]));
        PublicKey peer = KeyFactory.getInstance("EC").generatePublic(new X509EncodedKeySpec(spki));
        KeyAgreement agreement = KeyAgreement.getInstance("ECDH", provider);
        agreement.init(key);
        agreement.doPhase(peer, true);
        System.out.println("secret " + HexFormat.of().formatHex(agreement.generateSecret()));

        byte[] message = {1, 2, 3};
        Signature signer = Signature.getInstance("SHA384withECDSA", provider);
        signer.initSign(key);
        signer.update(message);
        byte[] signature = signer.sign();
        // The verifier is Java's own, not the token's.
        Signature verifier = Signature.getInstance("SHA384withECDSA", "SunEC");
        verifier.initVerify(store.getCertificate(alias));
        verifier.update(message);
        System.out.println("signature " + (verifier.verify(signature) ? "good" : "bad"));
    }
}
