import com.databricks.sdk.WorkspaceClient;
import com.databricks.sdk.service.iam.MeRequest;

/** Says who is signed in. There is nothing about credentials in here. */
public class Me {
  public static void main(String[] args) {
    System.out.println("signed in as " + new WorkspaceClient().currentUser().me(new MeRequest()).getUserName());
  }
}
